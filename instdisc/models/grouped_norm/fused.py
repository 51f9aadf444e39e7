"""Batch norm in groups by Triton kernels: what eager training takes on a GPU.

Legend: B batch, C channels, S pixels of an image, G groups, R = B S / G rows of a group, P slices.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from . import backward_kernels, forward_kernels
from .plan import Plan, make_plan
from .tracked import tracked_statistics


def normalize_fused(norm: _BatchNorm, inputs: Tensor, groups: int, *, relu: bool = False) -> Tensor:
    """Normalises equal parts of a batch apart, as `normalize_chunks` does, by kernels.

    Three launches forward, three backward, whatever the number of groups; nothing waits for the
    device. Gradients of gradients are refused by torch.

    Args:
        norm: the layer: its parameters, running statistics, momentum and eps.
        inputs: ``(B, C)`` or ``(B, C, ...)`` on a device that Triton knows; float16, bfloat16,
            float32 or float64. Sums are kept in float32, those of float64 in float64.
        groups: G, a divisor of B.
        relu: whether to return the positive part.

    Returns:
        Like `inputs`, in its memory format; contiguous if that is neither contiguous nor
        channels_last.
    """
    settings = (groups, norm.momentum, norm.eps, relu)
    if not inputs.is_cuda or inputs.device.index == torch.cuda.current_device():
        outputs: Tensor = _GroupedNorm.apply(
            inputs, norm.weight, norm.bias, *tracked_statistics(norm), settings
        )
        return outputs
    with torch.cuda.device(inputs.device):
        return normalize_fused(norm, inputs, groups, relu=relu)


class _GroupedNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        counter: Tensor | None,
        settings: tuple[int, float | None, float, bool],
    ) -> Tensor:
        groups, momentum, eps, relu = settings
        tracked = (running_mean, running_var, counter)
        inputs, channels_last = _formatted(inputs)
        plan = make_plan(inputs, weight, bias, running_mean, groups, channels_last)
        rows, channels, _ = plan.sizes
        outputs = torch.empty_like(inputs)
        partials = inputs.new_empty((2, groups, plan.slices, channels), dtype=plan.dtype)
        moments = inputs.new_empty((2, groups, channels), dtype=plan.dtype)
        plan.launch(
            forward_kernels.sum_inputs,
            plan.grid,
            (inputs, partials, counter, *plan.sizes, plan.span),
            (counter is not None,),
            plan.tile,
        )
        plan.launch(
            forward_kernels.join_inputs,
            plan.join_grid,
            (partials, moments, *tracked, rows, channels, plan.span, plan.slices),
            (eps, momentum, running_mean is not None),
            plan.join_tile,
        )
        affine = (weight is not None, bias is not None, relu)
        plan.launch(
            forward_kernels.normalize,
            plan.grid,
            (inputs, outputs, moments, weight, bias, *plan.sizes, plan.span),
            affine,
            plan.tile,
        )
        ctx.save_for_backward(inputs, weight, bias, moments)
        ctx.plan, ctx.affine, ctx.channels_last = plan, affine, channels_last
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, bias, moments = ctx.saved_tensors
        plan: Plan = ctx.plan
        rows, channels, _ = plan.sizes
        gradients = _in_format(gradients, ctx.channels_last)
        outputs = torch.empty_like(inputs)
        partials = moments.new_empty((2, moments.shape[1], plan.slices, channels))
        sums = torch.empty_like(moments)
        weight_gradient = None if weight is None else torch.empty_like(weight)
        bias_gradient = None if bias is None else torch.empty_like(bias)
        plan.launch(
            backward_kernels.sum_gradients,
            plan.grid,
            (gradients, inputs, partials, moments, weight, bias, *plan.sizes, plan.span),
            ctx.affine,
            plan.tile,
        )
        plan.launch(
            backward_kernels.join_gradients,
            plan.join_grid,
            (partials, sums, moments, weight_gradient, bias_gradient, rows, channels, plan.slices),
            ctx.affine[:2],
            plan.join_tile,
        )
        plan.launch(
            backward_kernels.spread_gradients,
            plan.grid,
            (gradients, inputs, outputs, moments, sums, weight, bias, *plan.sizes, plan.span),
            ctx.affine,
            plan.tile,
        )
        return outputs, weight_gradient, bias_gradient, None, None, None, None


def _formatted(inputs: Tensor) -> tuple[Tensor, bool]:
    """The tensor in a format that the kernels know, and whether channels are its last dimension."""
    if inputs.ndim == 2:
        return inputs.contiguous(), True
    if inputs.ndim == 4 and inputs.is_contiguous(memory_format=torch.channels_last):
        return inputs, True
    return inputs.contiguous(), False


def _in_format(gradients: Tensor, channels_last: bool) -> Tensor:
    if channels_last and gradients.ndim == 4:
        return gradients.contiguous(memory_format=torch.channels_last)
    return gradients.contiguous()
