"""Batch norm in groups by Triton kernels: what eager training takes on a GPU.

Legend: B batch, C channels, S pixels of an image, G groups, R = B S / G rows of a group, P slices.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from . import kernels

# Of a tile: 64 channels of 2 bytes are a cache line; 4,096 values leave 8 loads of 16 bytes to each
# of 128 threads.
_CHANNELS = 64
_VALUES = 4096
_WARPS = 4
_PROGRAMS = 1056  # that the rows are cut for: 8 on each of an H100's 132 processors


def normalize_fused(norm: _BatchNorm, inputs: Tensor, groups: int, relu: bool = False) -> Tensor:
    """Normalises equal parts of a batch apart, as `normalize_chunks` does, by kernels.

    Args:
        norm: the layer: its parameters, running statistics, momentum and eps.
        inputs: ``(B, C)`` or ``(B, C, ...)`` on a device that Triton knows; float16, bfloat16,
            float32 or float64. Sums are kept in float32, those of float64 in float64.
        groups: G, a divisor of B.
        relu: whether to return the positive part.

    Returns:
        Like `inputs`, in its memory format; that of neither contiguous nor channels_last tensors
        becomes contiguous.
    """
    counter = norm.num_batches_tracked if norm.track_running_stats else None
    outputs: Tensor = _GroupedNorm.apply(
        inputs,
        norm.weight,
        norm.bias,
        norm.running_mean if norm.track_running_stats else None,
        norm.running_var,
        counter,
        (groups, norm.momentum, norm.eps, relu),
    )
    return outputs


class _Plan(NamedTuple):
    """How a shape is cut; see `kernels` for the names."""

    sizes: tuple[int, int, int]  # rows of a group, channels, pixels of an image
    span: int
    grid: tuple[int, int, int]  # channels, slices, groups
    tile: dict[str, Any]
    join_grid: tuple[int]
    join_tile: dict[str, Any]


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
        inputs, channels_last = _formatted(inputs)
        plan = _plan(tuple(inputs.shape), groups, channels_last, inputs.dtype)
        sizes, span, grid, tile, join_grid, join_tile = plan
        num_rows, num_channels, _ = sizes
        dtype = torch.float64 if inputs.dtype == torch.float64 else torch.float32
        outputs = torch.empty_like(inputs)
        partials = inputs.new_empty((2, groups, grid[1], num_channels), dtype=dtype)
        moments = inputs.new_empty((2, groups, num_channels), dtype=dtype)
        affine = {"WEIGHTED": weight is not None, "BIASED": bias is not None, "RELU": relu}
        kernels.sum_inputs[grid](
            inputs, partials, counter, *sizes, span, COUNTS=counter is not None, **tile
        )
        kernels.join_inputs[join_grid](
            partials,
            moments,
            running_mean,
            running_var,
            counter,
            num_rows,
            num_channels,
            span,
            grid[1],
            EPS=eps,
            MOMENTUM=momentum,
            TRACKS=running_mean is not None,
            SUM=tile["SUM"],
            **join_tile,
        )
        kernels.normalize[grid](
            inputs, outputs, moments, weight, bias, *sizes, span, **affine, **tile
        )
        ctx.save_for_backward(inputs, weight, bias, moments)
        ctx.plan, ctx.affine, ctx.channels_last = plan, affine, channels_last
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, bias, moments = ctx.saved_tensors
        sizes, span, grid, tile, join_grid, join_tile = ctx.plan
        num_rows, num_channels, _ = sizes
        affine = ctx.affine
        gradients = _in_format(gradients, ctx.channels_last)
        outputs = torch.empty_like(inputs)
        partials = moments.new_empty((2, moments.shape[1], grid[1], num_channels))
        sums = torch.empty_like(moments)
        weight_gradient = None if weight is None else torch.empty_like(weight)
        bias_gradient = None if bias is None else torch.empty_like(bias)
        kernels.sum_gradients[grid](
            gradients, inputs, partials, moments, weight, bias, *sizes, span, **affine, **tile
        )
        kernels.join_gradients[join_grid](
            partials,
            sums,
            moments,
            weight_gradient,
            bias_gradient,
            num_rows,
            num_channels,
            grid[1],
            WEIGHTED=affine["WEIGHTED"],
            BIASED=affine["BIASED"],
            **join_tile,
        )
        kernels.spread_gradients[grid](
            gradients,
            inputs,
            outputs,
            moments,
            sums,
            weight,
            bias,
            *sizes,
            span,
            **affine,
            **tile,
        )
        return outputs, weight_gradient, bias_gradient, None, None, None, None


@lru_cache(maxsize=1024)
def _plan(shape: tuple[int, ...], groups: int, channels_last: bool, dtype: torch.dtype) -> _Plan:
    batch, num_channels = shape[:2]
    area = 1
    for size in shape[2:]:
        area *= size
    num_rows = batch // groups * area
    channels = min(_CHANNELS, triton.next_power_of_2(num_channels)) if channels_last else 1
    rows = min(_VALUES // channels, triton.next_power_of_2(num_rows))
    blocks = triton.cdiv(num_channels, channels)
    # As many slices as keep the device busy, of whole tiles; not more than one join can hold.
    slices = max(1, min(_PROGRAMS // (blocks * groups), _VALUES // triton.next_power_of_2(groups)))
    span = triton.cdiv(triton.cdiv(num_rows, slices), rows) * rows
    slices = triton.cdiv(num_rows, span)
    groups_tile, parts_tile = triton.next_power_of_2(groups), triton.next_power_of_2(slices)
    joined = max(
        1, min(_VALUES // (groups_tile * parts_tile), triton.next_power_of_2(num_channels), 64)
    )
    return _Plan(
        sizes=(num_rows, num_channels, 1 if channels_last else area),
        span=span,
        grid=(blocks, slices, groups),
        tile={
            "CHANNELS_LAST": channels_last,
            "ROWS": rows,
            "CHANNELS": channels,
            "SUM": tl.float64 if dtype == torch.float64 else tl.float32,
            "num_warps": _WARPS,
        },
        join_grid=(triton.cdiv(num_channels, joined),),
        join_tile={
            "GROUPS": groups,
            "GROUPS_TILE": groups_tile,
            "PARTS_TILE": parts_tile,
            "CHANNELS": joined,
        },
    )


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
