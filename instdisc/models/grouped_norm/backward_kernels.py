"""Triton kernels of batch norm in groups, backward: three, in slices as the forward ones.

Legend: G groups, R rows of a group, C channels, P slices of a group, g, r, c, p an index of each.
"""

from __future__ import annotations

from instdisc.gpu import jit, tl

from .tiles import load_pair, tile_offsets


@jit
def sum_gradients(
    gradients: tl.tensor,  # of the outputs
    inputs: tl.tensor,
    partials: tl.tensor,  # (2, G, P, C): sums of d and of d (inputs - mean), d the gradient
    moments: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    num_rows: tl.tensor,
    num_channels: tl.tensor,
    area: tl.tensor,
    span: tl.tensor,
    WEIGHTED: tl.constexpr,
    BIASED: tl.constexpr,
    RELU: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    SUM: tl.constexpr,
) -> None:
    """The two sums over every slice that the gradients need."""
    group, part, num_parts = tl.program_id(2), tl.program_id(1), tl.num_programs(1)
    channels = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channels < num_channels
    first = part * span
    last = tl.minimum(first + span, num_rows)
    mean, inverse = load_pair(moments, group, channels, num_channels, inside)
    scale = inverse
    offset = tl.zeros([CHANNELS], SUM)
    if RELU:
        if WEIGHTED:
            scale *= tl.load(weight + channels, inside, 0).to(SUM)
        if BIASED:
            offset = tl.load(bias + channels, inside, 0).to(SUM)
    gradients += group.to(tl.int64) * num_rows * num_channels
    inputs += group.to(tl.int64) * num_rows * num_channels
    sums = tl.zeros([ROWS, CHANNELS], SUM)
    products = tl.zeros([ROWS, CHANNELS], SUM)
    for start in range(first, last, ROWS):
        mask = (start + tl.arange(0, ROWS) < last)[:, None] & inside[None, :]
        offsets = tile_offsets(start, channels, num_channels, area, CHANNELS_LAST, ROWS)
        slope = tl.load(gradients + offsets, mask, 0).to(SUM)
        tile = tl.load(inputs + offsets, mask, 0).to(SUM) - mean[None, :]
        if RELU:
            slope = tl.where(tile * scale[None, :] + offset[None, :] > 0, slope, 0)
        sums += slope
        products += tl.where(mask, slope * tile, 0)
    place = (group * num_parts + part) * num_channels + channels
    tl.store(partials + place, tl.sum(sums, 0), inside)
    place += tl.num_programs(2) * num_parts * num_channels
    tl.store(partials + place, tl.sum(products, 0), inside)


@jit
def join_gradients(
    partials: tl.tensor,  # (2, G, P, C)
    sums: tl.tensor,  # (2, G, C), written: what a row's gradient loses, and per x - mean
    moments: tl.tensor,
    weight_gradient: tl.tensor,  # (C,), written, or anything if not WEIGHTED
    bias_gradient: tl.tensor,
    num_rows: tl.tensor,
    num_channels: tl.tensor,
    num_parts: tl.tensor,
    WEIGHTED: tl.constexpr,
    BIASED: tl.constexpr,
    GROUPS: tl.constexpr,
    GROUPS_TILE: tl.constexpr,
    PARTS_TILE: tl.constexpr,
    CHANNELS: tl.constexpr,
    SUM: tl.constexpr,
) -> None:
    """Sums of every group from its slices; gradients of weight and bias, over all groups."""
    groups = tl.arange(0, GROUPS_TILE)
    parts = tl.arange(0, PARTS_TILE)
    channels = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channels < num_channels
    held = (groups < GROUPS)[:, None] & inside[None, :]
    mask = ((groups < GROUPS)[:, None] & (parts < num_parts)[None, :])[:, :, None]
    mask = mask & inside[None, None, :]
    place = (groups[:, None] * num_parts + parts[None, :])[:, :, None] * num_channels
    place = place + channels[None, None, :]
    total = tl.sum(tl.load(partials + place, mask, 0).to(SUM), 1)  # (G, C)
    products = tl.sum(tl.load(partials + GROUPS * num_parts * num_channels + place, mask, 0), 1)
    place = groups[:, None] * num_channels + channels[None, :]
    inverse = tl.load(moments + GROUPS * num_channels + place, held, 0)
    tl.store(sums + place, total / num_rows, held)
    product = products * inverse
    tl.store(sums + GROUPS * num_channels + place, product * inverse / num_rows, held)
    if WEIGHTED:
        tl.store(weight_gradient + channels, tl.sum(product, 0), inside)
    if BIASED:
        tl.store(bias_gradient + channels, tl.sum(total, 0), inside)


@jit
def spread_gradients(
    gradients: tl.tensor,
    inputs: tl.tensor,
    outputs: tl.tensor,  # gradient of the inputs, written
    moments: tl.tensor,
    sums: tl.tensor,  # (2, G, C), of join_gradients
    weight: tl.tensor,
    bias: tl.tensor,
    num_rows: tl.tensor,
    num_channels: tl.tensor,
    area: tl.tensor,
    span: tl.tensor,
    WEIGHTED: tl.constexpr,
    BIASED: tl.constexpr,
    RELU: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    SUM: tl.constexpr,
) -> None:
    """Gradient of the inputs: (d - mean d - (x - mean) mean(d (x - mean)) / var) weight / dev."""
    group, first = tl.program_id(2), tl.program_id(1) * span
    channels = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channels < num_channels
    last = tl.minimum(first + span, num_rows)
    mean, scale = load_pair(moments, group, channels, num_channels, inside)
    constant, slant = load_pair(sums, group, channels, num_channels, inside)
    if WEIGHTED:
        scale *= tl.load(weight + channels, inside, 0).to(SUM)
    offset = tl.zeros([CHANNELS], SUM)
    if RELU and BIASED:
        offset = tl.load(bias + channels, inside, 0).to(SUM)
    start_of_group = group.to(tl.int64) * num_rows * num_channels
    gradients += start_of_group
    inputs += start_of_group
    outputs += start_of_group
    for start in range(first, last, ROWS):
        mask = (start + tl.arange(0, ROWS) < last)[:, None] & inside[None, :]
        offsets = tile_offsets(start, channels, num_channels, area, CHANNELS_LAST, ROWS)
        slope = tl.load(gradients + offsets, mask, 0).to(SUM)
        tile = tl.load(inputs + offsets, mask, 0).to(SUM) - mean[None, :]
        if RELU:
            slope = tl.where(tile * scale[None, :] + offset[None, :] > 0, slope, 0)
        slope = (slope - constant[None, :] - tile * slant[None, :]) * scale[None, :]
        tl.store(outputs + offsets, slope, mask)
