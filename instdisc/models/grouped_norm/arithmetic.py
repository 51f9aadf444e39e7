"""Batch norm in groups as plain arithmetic: what a compiler fuses as it fuses plain batch norm.

Legend: B batch, C channels, G groups, n = B / G images of a group, ... the pixels of an image.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm


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
    parts = inputs.unflatten(0, (groups, -1))  # (G, n, C, ...)
    outputs, var, mean = _Normalize.apply(parts, norm.weight, norm.bias, norm.eps)
    if norm.track_running_stats:
        _track(norm, var, mean, groups, count=parts[0].numel() // parts.shape[2])
    result: Tensor = outputs.flatten(0, 1)
    return result


class _Normalize(torch.autograd.Function):
    # Written out, its backward pass is two sums and a few products. What torch derives from
    # `var_mean` has three times the nodes, and a compiler's time goes by nodes.
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = [1, *range(3, inputs.ndim)]
        parts = _at_least_float32(inputs)
        var, mean = torch.var_mean(parts, rows, correction=0, keepdim=True)  # (G, 1, C, 1, ...)
        inverse = torch.rsqrt(var + eps)
        outputs = (parts - mean) * (inverse if weight is None else inverse * _row(weight, mean))
        if bias is not None:
            outputs = outputs + _row(bias, mean)
        ctx.save_for_backward(inputs, weight, mean, inverse)
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.mark_non_differentiable(var, mean)
        return outputs.to(inputs.dtype), var, mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        inputs, weight, mean, inverse = ctx.saved_tensors
        rows = [1, *range(3, inputs.ndim)]
        slopes = _at_least_float32(gradients)
        normal = (_at_least_float32(inputs) - mean) * inverse
        total = slopes.sum(rows, keepdim=True)  # (G, 1, C, 1, ...)
        product = (slopes * normal).sum(rows, keepdim=True)
        count = inputs.numel() // mean.numel()
        scale = inverse if weight is None else inverse * _row(weight, mean)
        result = (slopes - (total + normal * product) / count) * scale
        return (
            result.to(inputs.dtype),
            None if weight is None else product.sum(0).flatten().to(weight.dtype),
            None if ctx.bias_dtype is None else total.sum(0).flatten().to(ctx.bias_dtype),
            None,
        )


def _track(norm: _BatchNorm, var: Tensor, mean: Tensor, groups: int, count: int) -> None:
    """Running statistics as after one update per group."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(groups)
    order = torch.arange(groups - 1, -1, -1, dtype=var.dtype, device=var.device)
    keep: float | Tensor
    if norm.momentum is None:
        weights = torch.ones_like(order) / norm.num_batches_tracked
        keep = 1 - groups / norm.num_batches_tracked.to(var.dtype)
    else:
        weights = norm.momentum * (1 - norm.momentum) ** order
        keep = (1 - norm.momentum) ** groups
    for running, values, factor in (
        (norm.running_mean, mean, 1.0),
        (norm.running_var, var, count / (count - 1)),
    ):
        new = (values.reshape(groups, -1) * (factor * weights)[:, None]).sum(0)
        running.copy_(keep * running + new)


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _row(parameter: Tensor, like: Tensor) -> Tensor:
    """``(C,)`` so that it multiplies ``(G, n, C, ...)``."""
    return parameter.view(-1, *[1] * (like.ndim - 3))
