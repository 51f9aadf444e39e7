"""Where the tiles of the batch norm kernels lie.

Both memory formats by one code: in channels_last a tile is rows x channels of a matrix (R, C); in
contiguous format it is one channel, whose rows lie in runs of the image's area.

Legend: G groups, R rows of a group, C channels, P slices of a group, g, r, c, p an index of each.
"""

from __future__ import annotations

from instdisc.gpu import jit, tl


@jit
def tile_offsets(
    start: tl.tensor,
    channels: tl.tensor,
    num_channels: tl.tensor,
    area: tl.tensor,
    CHANNELS_LAST: tl.constexpr,
    ROWS: tl.constexpr,
) -> tl.tensor:
    """Places of a tile within its group."""
    if CHANNELS_LAST:
        rows = tl.arange(0, ROWS)[:, None] * num_channels + channels[None, :]
        return rows + tl.cast(start, tl.int64) * num_channels
    rows = start + tl.arange(0, ROWS)
    images = (rows // area).to(tl.int64) * num_channels * area
    return (images + rows % area)[:, None] + (channels * area)[None, :]


@jit
def load_pair(
    pairs: tl.tensor,
    group: tl.tensor,
    channels: tl.tensor,
    num_channels: tl.tensor,
    inside: tl.tensor,
) -> tl.tensor:
    """Both values of (2, G, C) for a tile's channels."""
    place = group * num_channels + channels
    second = tl.num_programs(2) * num_channels + place
    return tl.load(pairs + place, inside, 0), tl.load(pairs + second, inside, 0)
