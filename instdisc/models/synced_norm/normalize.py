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
from torch.nn.modules.batchnorm import _BatchNorm

from instdisc.distributed import rank, world_size

from ..grouped_norm.tracked import tracked_statistics


def normalize_over_processes(norm: _BatchNorm, inputs: Tensor) -> Tensor:
    """``y = (x - mean) / sqrt(var + eps) * weight + bias``, mean and var over all processes.

    The running statistics take the mean and the unbiased variance, as those of one process do.

    Args:
        norm: the layer: its parameters, running statistics, momentum and eps.
        inputs: ``(B, C)`` or ``(B, C, ...)`` of floating type, at least one row on each process;
            statistics are of float32 at least.

    Returns:
        Like `inputs`.
    """
    outputs: Tensor = _normalize(
        inputs, norm.weight, norm.bias, *tracked_statistics(norm), norm.momentum, norm.eps
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
        fused = inputs.is_cuda and _is_real(inputs)
        if fused:
            inputs = _dense(inputs)
        mean, var, count = _join(*_moments(inputs, fused))
        inverse = torch.rsqrt(var + eps)
        ctx.save_for_backward(inputs, weight, mean, inverse, count)
        ctx.fused, ctx.bias_dtype = fused, None if bias is None else bias.dtype
        ctx.mark_non_differentiable(mean, var, count)
        if fused:
            outputs = torch.batch_norm_elemt(inputs, weight, bias, mean, inverse, eps)
            return outputs, mean, var, count
        scale = inverse if weight is None else inverse * weight
        outputs = (inputs - _column(mean, inputs)) * _column(scale, inputs)
        if bias is not None:
            outputs = outputs + _column(bias, inputs)
        return outputs.to(inputs.dtype), mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        inputs, weight, mean, inverse, count = ctx.saved_tensors
        if ctx.fused:
            return *_fused_backward(ctx, _dense(slopes)), None
        rows = _rows(inputs)
        wide = slopes.to(mean.dtype)
        normal = (inputs - _column(mean, inputs)) * _column(inverse, inputs)
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


def _fused_backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The same by torch's kernels for `torch.nn.SyncBatchNorm`."""
    inputs, weight, mean, inverse, count = ctx.saved_tensors
    total, product, of_weight, of_bias = torch.batch_norm_backward_reduce(
        slopes, inputs, mean, inverse, weight, *ctx.needs_input_grad[:3]
    )
    result = None
    if ctx.needs_input_grad[0]:
        total, product = _add_up(torch.cat([total, product])).chunk(2)
        wide = None if weight is None else weight.to(mean.dtype)
        result = torch.batch_norm_backward_elemt(
            slopes, inputs, mean, inverse, wide, total, product, count.to(torch.int32)
        )
    return (
        result,
        of_weight if ctx.needs_input_grad[1] else None,
        of_bias if ctx.needs_input_grad[2] else None,
    )


def _moments(inputs: Tensor, fused: bool) -> tuple[Tensor, Tensor, int]:
    """Mean and variance of this process, ``(C,)`` each, and n."""
    count = inputs.numel() // inputs.shape[1]
    if not fused:
        wide = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        var, mean = torch.var_mean(wide, _rows(inputs), correction=0)
        return mean, var, count
    mean, inverse = torch.batch_norm_stats(inputs, 0.0)  # 1 / sqrt(var), or 0 where var is 0
    return mean, torch.where(inverse > 0, inverse.pow(-2), 0), count


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


def _is_real(values: Tensor) -> bool:
    """Whether it has memory; the fake tensors of a compiler have none."""
    return type(values) in (Tensor, nn.Parameter)


def _dense(values: Tensor) -> Tensor:
    """In a memory format that torch's kernels read."""
    last = values.ndim == 4 and values.is_contiguous(memory_format=torch.channels_last)
    return values if last else values.contiguous()


def _rows(values: Tensor) -> list[int]:
    """The dimensions that statistics are taken over."""
    return [0, *range(2, values.ndim)]


def _column(values: Tensor, like: Tensor) -> Tensor:
    """``(C,)`` so that it multiplies ``(B, C, ...)``."""
    return values.view(-1, *[1] * (like.ndim - 2))
