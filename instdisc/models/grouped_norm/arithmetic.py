"""Batch norm in groups as plain arithmetic: what a compiler fuses as it fuses plain batch norm.

Legend: B batch, C channels, G groups, n = B / G images of a group, ... the pixels of an image.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from .tracked import tracked_statistics


def normalize_by_arithmetic(norm: _BatchNorm, inputs: Tensor, groups: int) -> Tensor:
    """Normalises equal parts of a batch apart, as `normalize_chunks` does, without chunks.

    ``y = (x - mean_g) / sqrt(var_g + eps) * weight + bias`` over a view ``(G, n, C, ...)``; the
    running statistics take the groups one after another, in one sum:
    ``s <- (1 - m)^G s + m sum_g (1 - m)^(G - 1 - g) s_g``.

    Args:
        norm: the layer: its parameters, running statistics, momentum and eps.
        inputs: ``(B, C)`` or ``(B, C, ...)`` of floating type; computed in float32 at least.
        groups: G, a divisor of B.

    Returns:
        Like `inputs`, in its memory format.
    """
    outputs: Tensor = _normalize(
        inputs,
        norm.weight,
        norm.bias,
        *tracked_statistics(norm),
        groups,
        norm.momentum,
        norm.eps,
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
    groups: int,
    momentum: float | None,
    eps: float,
) -> Tensor:
    parts = inputs.unflatten(0, (groups, -1))  # (G, n, C, ...)
    outputs, mean, var = _Normalize.apply(parts, weight, bias, eps)
    if counter is not None:
        counter.add_(groups)
    if running_mean is not None and running_var is not None:
        count = parts[0].numel() // parts.shape[2]
        keep, weights = _factors(counter, groups, momentum, mean)
        mean = (mean.reshape(groups, -1) * weights).sum(0)
        var = (var.reshape(groups, -1) * weights).sum(0) * (count / (count - 1))
        running_mean.copy_(keep * running_mean.to(mean.dtype) + mean)
        running_var.copy_(keep * running_var.to(var.dtype) + var)
    result: Tensor = outputs.flatten(0, 1)
    return result


class _Normalize(torch.autograd.Function):
    # Written out, its backward pass is two sums and a few products. What torch derives from
    # `var_mean` is more, and takes the mean of the inputs a second time.
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        parts = _at_least_float32(inputs)
        var, mean = torch.var_mean(parts, _rows(parts), correction=0, keepdim=True)
        inverse = torch.rsqrt(var + eps)  # (G, 1, C, 1, ...), as both
        outputs = (parts - mean) * (inverse if weight is None else inverse * _row(weight, mean))
        if bias is not None:
            outputs = outputs + _row(bias, mean)
        ctx.save_for_backward(inputs, weight, mean, inverse)
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.mark_non_differentiable(mean, var)
        return outputs.to(inputs.dtype), mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        inputs, weight, mean, inverse = ctx.saved_tensors
        slopes = _at_least_float32(gradients)
        normal = (_at_least_float32(inputs) - mean) * inverse
        total = slopes.sum(_rows(inputs), keepdim=True)  # (G, 1, C, 1, ...)
        product = (slopes * normal).sum(_rows(inputs), keepdim=True)
        scale = inverse if weight is None else inverse * _row(weight, mean)
        count = inputs.numel() // mean.numel()
        result = (slopes - (total + normal * product) / count) * scale
        return (
            result.to(inputs.dtype),
            None if weight is None else product.sum(0).flatten().to(weight.dtype),
            None if ctx.bias_dtype is None else total.sum(0).flatten().to(ctx.bias_dtype),
            None,
        )


def _factors(
    counter: Tensor | None, groups: int, momentum: float | None, like: Tensor
) -> tuple[float | Tensor, Tensor]:
    """What is kept of a running statistic, and what each group adds, ``(G, 1)``."""
    order = torch.arange(groups - 1, -1, -1, dtype=like.dtype, device=like.device)[:, None]
    if momentum is None:  # the average over all batches, of which `counter` holds the number
        assert counter is not None  # see `tracked_statistics`
        return 1 - groups / counter.to(like.dtype), torch.ones_like(order) / counter
    return (1 - momentum) ** groups, momentum * (1 - momentum) ** order


def _rows(parts: Tensor) -> list[int]:
    """The dimensions of ``(G, n, C, ...)`` that a group's statistics are taken over."""
    return [1, *range(3, parts.ndim)]


def _row(parameter: Tensor, like: Tensor) -> Tensor:
    """``(C,)`` so that it multiplies ``(G, n, C, ...)``."""
    return parameter.view(-1, *[1] * (like.ndim - 3))


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
