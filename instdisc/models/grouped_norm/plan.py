"""How the kernels of grouped batch norm cut a batch, and how they are launched again.

Triton looks a kernel up by all its arguments at each launch, which costs the host more than the
rest of a layer. Here the arguments that decide are looked up once a layer, and the compiled kernels
are kept with the results.

Legend: B batch, C channels, G groups, R rows of a group, P slices of a group.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from instdisc.gpu import tl, triton

# Measured on an H100 with bfloat16 in channels_last. 64 channels of 2 bytes are a cache line; 4,096
# values leave 4 loads of 16 bytes to each of 128 threads.
_CHANNELS = 64
_VALUES = 4096
_WARPS = 4
_PROGRAMS = 1056  # that the rows are cut for: 8 on each of its 132 processors
_ALIGNMENT = 16  # bytes; Triton compiles anew for tensors that begin elsewhere


@dataclass
class Plan:
    """One shape, cut into programs; see `kernels` for the meaning of each number."""

    sizes: tuple[int, int, int]  # rows of a group, channels, pixels of an image
    span: int  # rows of a slice
    slices: int
    grid: tuple[int, int, int]  # blocks of channels, slices, groups
    tile: tuple[Any, ...]  # CHANNELS_LAST, ROWS, CHANNELS, SUM
    join_grid: tuple[int, int, int]
    join_tile: tuple[Any, ...]  # GROUPS, GROUPS_TILE, PARTS_TILE, CHANNELS, SUM
    dtype: torch.dtype  # of sums
    launchers: dict[Any, Callable[..., object]] = field(default_factory=dict)

    def launch(
        self,
        kernel: Any,
        grid: tuple[int, int, int],
        arguments: tuple[Any, ...],
        flags: tuple[Any, ...],
        tile: tuple[Any, ...],
    ) -> None:
        """Runs a kernel.

        Args:
            kernel: of `kernels`.
            grid: numbers of programs.
            arguments: of the kernel, in its order.
            flags: constants that follow them, by which it is compiled anew.
            tile: those after, which the plan fixes.
        """
        aligned = not any(
            value.data_ptr() % _ALIGNMENT for value in arguments if isinstance(value, Tensor)
        )
        launcher = self.launchers.get((id(kernel), flags)) if aligned else None
        if launcher is not None:
            launcher(*arguments, *flags, *tile)
            return
        compiled = kernel[grid](*arguments, *flags, *tile, num_warps=_WARPS)
        if aligned and compiled is not None:  # Triton's interpreter compiles nothing
            self.launchers[id(kernel), flags] = compiled[grid]


_PLANS: dict[tuple[Any, ...], Plan] = {}


def make_plan(
    inputs: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    groups: int,
    channels_last: bool,
) -> Plan:
    """The plan of a batch: the same for all that a kernel would be compiled for alike."""
    types = [None if value is None else value.dtype for value in (weight, bias, running_mean)]
    key = (inputs.shape, inputs.dtype, inputs.device, groups, channels_last, *types)
    plan = _PLANS.get(key)
    if plan is None:
        plan = _PLANS[key] = _cut(inputs, groups, channels_last)
    return plan


def _cut(inputs: Tensor, groups: int, channels_last: bool) -> Plan:
    batch, num_channels = inputs.shape[:2]
    area = math.prod(inputs.shape[2:])
    num_rows = batch // groups * area
    power = triton.next_power_of_2
    channels = min(_CHANNELS, power(num_channels)) if channels_last else 1
    rows = min(_VALUES // channels, power(num_rows))
    blocks = triton.cdiv(num_channels, channels)
    # As many slices as keep the device busy, of whole tiles; no more than one join can hold.
    slices = max(1, min(_PROGRAMS // (blocks * groups), _VALUES // power(groups)))
    span = triton.cdiv(triton.cdiv(num_rows, slices), rows) * rows
    slices = triton.cdiv(num_rows, span)
    joined = max(1, min(_VALUES // (power(groups) * power(slices)), power(num_channels), _CHANNELS))
    double = inputs.dtype == torch.float64
    sums = tl.float64 if double else tl.float32
    return Plan(
        sizes=(num_rows, num_channels, 1 if channels_last else area),
        span=span,
        slices=slices,
        grid=(blocks, slices, groups),
        tile=(channels_last, rows, channels, sums),
        join_grid=(triton.cdiv(num_channels, joined), 1, 1),
        join_tile=(groups, power(groups), power(slices), joined, sums),
        dtype=torch.float64 if double else torch.float32,
    )
