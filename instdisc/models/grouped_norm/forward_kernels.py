"""Triton kernels of batch norm in groups, forward: three, none of which waits for the host.

The rows of a group (images times pixels) are read in slices by independent programs. Each slice
leaves partial sums, taken about the mean of its first tile, so that a mean far above the deviation
cancels nothing; one small kernel joins the slices. No atomics: results repeat bit for bit.

Legend: G groups, R rows of a group, C channels, P slices of a group, g, r, c, p an index of each.
"""

from __future__ import annotations

from instdisc.gpu import jit, tl

from .tiles import load_pair, tile_offsets


@jit
def sum_inputs(
    inputs: tl.tensor,  # G * R rows of C
    partials: tl.tensor,  # (2, G, P, C): mean and sum of squared deviations of each slice
    counter: tl.tensor,  # batches seen; G more afterwards
    num_rows: tl.tensor,
    num_channels: tl.tensor,
    area: tl.tensor,  # pixels of an image
    span: tl.tensor,  # rows of a slice
    COUNTS: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    ROWS: tl.constexpr,  # of a tile
    CHANNELS: tl.constexpr,  # of a tile
    SUM: tl.constexpr,  # the type of sums
) -> None:
    """Mean and squared deviations of every slice."""
    group, part, num_parts = tl.program_id(2), tl.program_id(1), tl.num_programs(1)
    channels = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channels < num_channels
    first = part * span
    last = tl.minimum(first + span, num_rows)
    if COUNTS:  # noqa: SIM102 (decided when the kernel is compiled)
        if (tl.program_id(0) == 0) & (part == 0) & (group == 0):
            tl.store(counter, tl.load(counter) + tl.num_programs(2))

    inputs += group.to(tl.int64) * num_rows * num_channels
    rows = first + tl.arange(0, ROWS)
    mask = (rows < last)[:, None] & inside[None, :]
    offsets = tile_offsets(first, channels, num_channels, area, CHANNELS_LAST, ROWS)
    tile = tl.load(inputs + offsets, mask, 0).to(SUM)
    shift = tl.sum(tile, 0) / tl.minimum(last - first, ROWS)
    sums = tl.zeros([ROWS, CHANNELS], SUM)
    squares = tl.zeros([ROWS, CHANNELS], SUM)
    for start in range(first, last, ROWS):
        mask = (start + tl.arange(0, ROWS) < last)[:, None] & inside[None, :]
        offsets = tile_offsets(start, channels, num_channels, area, CHANNELS_LAST, ROWS)
        tile = tl.load(inputs + offsets, mask, 0).to(SUM)
        deviations = tl.where(mask, tile - shift[None, :], 0)
        sums += deviations
        squares += deviations * deviations
    total = tl.sum(sums, 0)
    mean = total / (last - first)
    place = (group * num_parts + part) * num_channels + channels
    tl.store(partials + place, shift + mean, inside)
    place += tl.num_programs(2) * num_parts * num_channels
    tl.store(partials + place, tl.sum(squares, 0) - total * mean, inside)


@jit
def join_inputs(
    partials: tl.tensor,  # (2, G, P, C)
    moments: tl.tensor,  # (2, G, C): mean and 1 / deviation, written
    running_mean: tl.tensor,  # (C,), or anything if not TRACKS
    running_var: tl.tensor,
    counter: tl.tensor,
    num_rows: tl.tensor,
    num_channels: tl.tensor,
    span: tl.tensor,
    num_parts: tl.tensor,
    EPS: tl.constexpr,
    MOMENTUM: tl.constexpr,  # None: the average over all batches
    TRACKS: tl.constexpr,
    GROUPS: tl.constexpr,
    GROUPS_TILE: tl.constexpr,  # the power of 2 that holds them; likewise:
    PARTS_TILE: tl.constexpr,
    CHANNELS: tl.constexpr,
    SUM: tl.constexpr,
) -> None:
    """Moments of every group from its slices; running statistics, the groups one after another."""
    groups = tl.arange(0, GROUPS_TILE)
    parts = tl.arange(0, PARTS_TILE)
    channels = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channels < num_channels
    held = (groups < GROUPS)[:, None] & inside[None, :]
    mask = ((groups < GROUPS)[:, None] & (parts < num_parts)[None, :])[:, :, None]
    mask = mask & inside[None, None, :]
    place = (groups[:, None] * num_parts + parts[None, :])[:, :, None] * num_channels
    place = place + channels[None, None, :]
    counts = tl.minimum(num_rows - parts * span, span).to(SUM)[None, :, None]
    first = groups[:, None] * num_parts * num_channels + channels[None, :]
    shift = tl.load(partials + first, held, 0)  # (G, C)
    means = tl.load(partials + place, mask, 0)  # (G, P, C)
    squares = tl.load(partials + GROUPS * num_parts * num_channels + place, mask, 0)
    distances = tl.where(mask, means - shift[:, None, :], 0)
    beyond = tl.sum(counts * distances, 1) / num_rows  # (G, C)
    distances = tl.where(mask, distances - beyond[:, None, :], 0)
    mean = shift + beyond
    sums = tl.sum(squares + counts * distances * distances, 1)
    deviation = tl.sqrt(sums / num_rows + EPS)
    place = groups[:, None] * num_channels + channels[None, :]
    tl.store(moments + place, mean, held)
    tl.store(moments + GROUPS * num_channels + place, 1.0 / deviation, held)
    if TRACKS:
        # After G updates x <- (1 - m) x + m s_g: (1 - m)^G x + m sum_g (1 - m)^(G - 1 - g) s_g.
        if MOMENTUM is None:
            count = tl.load(counter).to(SUM)
            keep = (count - GROUPS) / count
            weights = tl.where(groups < GROUPS, 1.0, 0.0).to(SUM) / count
        else:
            # `full`, as a plain number would be rounded to float32.
            keep = tl.full([CHANNELS], (1.0 - MOMENTUM) ** GROUPS, SUM)
            weights = tl.full([GROUPS_TILE], MOMENTUM, SUM)
            for group in tl.static_range(1, GROUPS):
                weights = tl.where(groups < group, weights * (1.0 - MOMENTUM), weights)
            weights = tl.where(groups < GROUPS, weights, 0)
        variance = sums / (num_rows - 1)
        mean = tl.sum(weights[:, None] * mean, 0)
        variance = tl.sum(weights[:, None] * variance, 0)
        mean += keep * tl.load(running_mean + channels, inside, 0).to(SUM)
        variance += keep * tl.load(running_var + channels, inside, 0).to(SUM)
        tl.store(running_mean + channels, mean, inside)
        tl.store(running_var + channels, variance, inside)


@jit
def normalize(
    inputs: tl.tensor,
    outputs: tl.tensor,  # written
    moments: tl.tensor,  # (2, G, C)
    weight: tl.tensor,  # (C,), or anything if not AFFINE
    bias: tl.tensor,  # or anything if not BIASED
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
    """Outputs = (inputs - mean) weight / deviation + bias, and its positive part with RELU."""
    group, first = tl.program_id(2), tl.program_id(1) * span
    channels = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channels < num_channels
    last = tl.minimum(first + span, num_rows)
    mean, inverse = load_pair(moments, group, channels, num_channels, inside)
    scale = inverse
    if WEIGHTED:
        scale *= tl.load(weight + channels, inside, 0).to(SUM)
    offset = tl.zeros([CHANNELS], SUM)
    if BIASED:
        offset = tl.load(bias + channels, inside, 0).to(SUM)
    inputs += group.to(tl.int64) * num_rows * num_channels
    outputs += group.to(tl.int64) * num_rows * num_channels
    for start in range(first, last, ROWS):
        mask = (start + tl.arange(0, ROWS) < last)[:, None] & inside[None, :]
        offsets = tile_offsets(start, channels, num_channels, area, CHANNELS_LAST, ROWS)
        tile = tl.load(inputs + offsets, mask, 0).to(SUM)
        tile = (tile - mean[None, :]) * scale[None, :] + offset[None, :]
        if RELU:
            tile = tl.where(tile < 0, 0, tile)  # NaN stays
        tl.store(outputs + offsets, tile, mask)
