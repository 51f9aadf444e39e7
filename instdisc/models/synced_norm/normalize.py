"""Batch norm over processes: two exchanges, of a few numbers a channel.

Legend: C channels, W processes, N values a channel over all processes, n on one, ... the pixels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.distributed import _functional_collectives as functional
from torch.nn import functional as F
from torch.nn.modules import _functions
from torch.nn.modules.batchnorm import _BatchNorm

from instdisc.distributed import rank, world_size

from ..grouped_norm.tracked import tracked_statistics


def normalize_over_processes(norm: _BatchNorm, inputs: Tensor) -> Tensor:
    """``y = (x - mean) / sqrt(var + eps) * weight + bias``, mean and var over all processes.

    The running statistics take the mean and the unbiased variance, as those of one process do. In
    eager mode on a GPU torch's kernels for `torch.nn.SyncBatchNorm` compute it, else arithmetic
    that a compiler fuses.

    Args:
        norm: the layer: its parameters, running statistics, momentum and eps.
        inputs: ``(B, C)`` or ``(B, C, ...)`` of floating type, at least one row on each process;
            statistics are of float32 at least.

    Returns:
        Like `inputs`.
    """
    running_mean, running_var, counter = tracked_statistics(norm)
    # Torch's kernels do not take half precision without running statistics.
    if _suits_kernels(inputs) and running_mean is not None:
        return _normalize_by_kernels(norm, inputs, running_mean, running_var, counter)
    outputs: Tensor = _normalize(
        inputs,
        norm.weight,
        norm.bias,
        running_mean,
        running_var,
        counter,
        norm.momentum,
        norm.eps,
    )
    return outputs


def _normalize_by_kernels(
    norm: _BatchNorm,
    inputs: Tensor,
    running_mean: Tensor,
    running_var: Tensor | None,
    counter: Tensor | None,
) -> Tensor:
    if counter is not None:
        counter.add_(1)
    step = 1 / float(counter) if norm.momentum is None and counter is not None else norm.momentum
    outputs: Tensor = _functions.SyncBatchNorm.apply(
        inputs,
        norm.weight,
        norm.bias,
        running_mean,
        running_var,
        norm.eps,
        step,
        torch.distributed.group.WORLD,
        world_size(),
    )
    return outputs


# One node for the tracer, whose time goes by nodes; the compiler sees what is inside.
@torch.compiler.allow_in_graph
def _normalize(
    inputs: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    counter: Tensor | None,
    momentum: float | None,
    eps: float,
) -> Tensor:
    outputs, mean, var, count = _Normalize.apply(inputs, weight, bias, eps)
    if counter is not None:
        counter.add_(1)
    if running_mean is not None and running_var is not None:
        step = 1 / counter if momentum is None and counter is not None else momentum
        for running, value in ((running_mean, mean), (running_var, var * (count / (count - 1)))):
            running.copy_(running + step * (value - running))
    result: Tensor = outputs
    return result


class _Normalize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wide = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        var, mean = torch.var_mean(wide, _rows(inputs), correction=0)  # (C,), of this process
        mean, var, count = _join(mean, var, inputs.numel() // inputs.shape[1])
        inverse = torch.rsqrt(var + eps)
        scale = inverse if weight is None else inverse * weight
        outputs = (wide - _column(mean, inputs)) * _column(scale, inputs)
        if bias is not None:
            outputs = outputs + _column(bias, inputs)
        ctx.save_for_backward(inputs, weight, mean, inverse, count)
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.mark_non_differentiable(mean, var, count)
        return outputs.to(inputs.dtype), mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        inputs, weight, mean, inverse, count = ctx.saved_tensors
        wide = slopes.to(mean.dtype)
        normal = (inputs - _column(mean, inputs)) * _column(inverse, inputs)
        rows = _rows(inputs)
        total, product = wide.sum(rows), (wide * normal).sum(rows)  # (C,), of this process
        result = None
        if ctx.needs_input_grad[0]:
            means = _add_up(torch.cat([total, product])) / count
            mean_total, mean_product = (_column(part, inputs) for part in means.chunk(2))
            scale = inverse if weight is None else inverse * weight
            result = (wide - mean_total - normal * mean_product) * _column(scale, inputs)
            result = result.to(inputs.dtype)
        # Of this process alone: DDP takes the mean, as of any parameter.
        return (
            result,
            None if weight is None else product.to(weight.dtype),
            None if ctx.bias_dtype is None else total.to(ctx.bias_dtype),
            None,
        )


def _join(mean: Tensor, var: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance over all processes from those of each, ``(C,)``, and N, ``(1,)``."""
    row = torch.cat([mean, var, mean.new_full((1,), count)])
    # Each process adds its row to a table of zeros: all-reduce is what every backend has.
    table = F.pad(row[None], (0, 0, rank(), world_size() - 1 - rank()))  # (W, 2 C + 1)
    means, variances, counts = _add_up(table).split([len(mean), len(var), 1], 1)  # (W, ...)
    total = counts.sum(0)
    shares = counts / total
    joint = (shares * means).sum(0)
    return joint, (shares * (variances + (means - joint).square())).sum(0), total


def _add_up(values: Tensor) -> Tensor:
    """The sum over all processes; `values` may be overwritten."""
    if _is_real(values):
        torch.distributed.all_reduce(values)
        return values
    group = torch.distributed.group.WORLD
    assert group is not None
    result: Tensor = functional.all_reduce(values, "sum", group)  # what a graph can hold
    return result


def _suits_kernels(inputs: Tensor) -> bool:
    return inputs.is_cuda and _is_real(inputs)


def _is_real(values: Tensor) -> bool:
    """Whether it has memory; the fake tensors of a compiler have none."""
    return type(values) in (Tensor, nn.Parameter)


def _rows(values: Tensor) -> list[int]:
    """The dimensions that statistics are taken over."""
    return [0, *range(2, values.ndim)]


def _column(values: Tensor, like: Tensor) -> Tensor:
    """``(C,)`` so that it multiplies ``(B, C, ...)``."""
    return values.view(-1, *[1] * (like.ndim - 2))
