"""RoIAlign and its gradient as Triton kernels, for maps in channels_last.

RoIAlign is linear in the map and separable: bin (i, j) of a region is
``sum_{y, x} a[i, y] b[j, x] map[y, x]``, where ``a`` and ``b`` average the hats of the samples of a
bin. A program builds the product of both for some cells of one region in registers and multiplies
it with these cells: forward the sum over cells gives bins, backward the sum over bins gives cells.
So a cell is read or added to once per region, not once per sample.

Legend: R regions, C channels, S bins per side that are wanted, B block of bins per side (a power of
2), h x w cells of a map.
"""

from __future__ import annotations

from typing import Any

from instdisc.gpu import jit, tl


@jit
def gather_bins(
    map_: tl.tensor,
    rois: tl.tensor,
    bins: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.tensor,
    scale: tl.tensor,
    PARTS: tl.constexpr,
    EVERY: tl.constexpr,
    SIDE: tl.constexpr,
    BLOCK_SIDE: tl.constexpr,
    CELLS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """``bins (R, S, S, C)`` of ``map_ (images, h, w, C)`` at ``rois (R, 5)`` float32.

    `scale` is in cells per pixel. A region has `PARTS` bins per side, of which every `EVERY`-th is
    wanted: S = `SIDE`; B = `BLOCK_SIDE`. A program reads `CELLS` at once, of `BLOCK` channels.
    """
    roi = tl.program_id(0)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    image, top, bin_height, tall, left, bin_width, wide = _region(rois + roi * 5, scale, PARTS)
    first_y, num_y = _support(top, bin_height, tall, height, PARTS)
    first_x, num_x = _support(left, bin_width, wide, width, PARTS)
    map_ += image.to(tl.int64) * height * width * channels
    total = tl.zeros((BLOCK_SIDE * BLOCK_SIDE, BLOCK), tl.float32)
    for start in range(0, num_y * num_x, CELLS):
        cell = start + tl.arange(0, CELLS)
        y, x = first_y + cell // num_x, first_x + cell % num_x
        inside = cell < num_y * num_x
        vertical = _weights(y, top, bin_height, tall, height, EVERY, BLOCK_SIDE, CELLS)
        horizontal = _weights(x, left, bin_width, wide, width, EVERY, BLOCK_SIDE, CELLS)
        weights = tl.reshape(
            vertical[:, None, :] * horizontal[None, :, :], (BLOCK_SIDE * BLOCK_SIDE, CELLS)
        )
        values = tl.load(
            map_ + (y * width + x)[:, None] * channels + channel[None, :],
            mask=inside[:, None] & (channel < channels)[None, :],
            other=0.0,
        )
        total = tl.dot(weights.to(values.dtype), values, total, input_precision="ieee")
    place = tl.arange(0, BLOCK_SIDE * BLOCK_SIDE)
    row, column = place // BLOCK_SIDE, place % BLOCK_SIDE
    bins += roi.to(tl.int64) * SIDE * SIDE * channels
    tl.store(
        bins + (row * SIDE + column)[:, None] * channels + channel[None, :],
        total.to(bins.dtype.element_ty),
        mask=((row < SIDE) & (column < SIDE))[:, None] & (channel < channels)[None, :],
    )


@jit
def scatter_bins(
    gradient: tl.tensor,
    rois: tl.tensor,
    bins: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.tensor,
    scale: tl.tensor,
    PARTS: tl.constexpr,
    EVERY: tl.constexpr,
    SIDE: tl.constexpr,
    BLOCK_SIDE: tl.constexpr,
    CELLS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Adds the gradient of ``bins (R, S, S, C)`` to ``gradient (images, h, w, C)`` float32.

    The rest is as in `gather_bins`.
    """
    roi = tl.program_id(0)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    image, top, bin_height, tall, left, bin_width, wide = _region(rois + roi * 5, scale, PARTS)
    first_y, num_y = _support(top, bin_height, tall, height, PARTS)
    first_x, num_x = _support(left, bin_width, wide, width, PARTS)
    gradient += image.to(tl.int64) * height * width * channels
    bins += roi.to(tl.int64) * SIDE * SIDE * channels
    place = tl.arange(0, BLOCK_SIDE * BLOCK_SIDE)
    row, column = place // BLOCK_SIDE, place % BLOCK_SIDE
    values = tl.load(
        bins + (row * SIDE + column)[:, None] * channels + channel[None, :],
        mask=((row < SIDE) & (column < SIDE))[:, None] & (channel < channels)[None, :],
        other=0.0,
    )
    for start in range(0, num_y * num_x, CELLS):
        cell = start + tl.arange(0, CELLS)
        y, x = first_y + cell // num_x, first_x + cell % num_x
        inside = cell < num_y * num_x
        vertical = _weights(y, top, bin_height, tall, height, EVERY, BLOCK_SIDE, CELLS)
        horizontal = _weights(x, left, bin_width, wide, width, EVERY, BLOCK_SIDE, CELLS)
        weights = tl.reshape(
            tl.trans(vertical)[:, :, None] * tl.trans(horizontal)[:, None, :],
            (CELLS, BLOCK_SIDE * BLOCK_SIDE),
        )
        sums = tl.dot(weights.to(values.dtype), values, input_precision="ieee")
        tl.atomic_add(
            gradient + (y * width + x)[:, None] * channels + channel[None, :],
            sums,
            mask=inside[:, None] & (channel < channels)[None, :],
            sem="relaxed",
        )


@jit
def _region(roi: tl.tensor, scale: tl.tensor, PARTS: tl.constexpr) -> Any:
    """Image; then along y and along x: start, size of a bin and samples per bin, in cells."""
    left, right = tl.load(roi + 1) * scale - 0.5, tl.load(roi + 3) * scale - 0.5
    top, bottom = tl.load(roi + 2) * scale - 0.5, tl.load(roi + 4) * scale - 0.5
    bin_height, bin_width = (bottom - top) / PARTS, (right - left) / PARTS
    tall, wide = tl.ceil(bin_height).to(tl.int32), tl.ceil(bin_width).to(tl.int32)
    return tl.load(roi).to(tl.int32), top, bin_height, tall, left, bin_width, wide


@jit
def _support(
    start: tl.tensor,
    bin_size: tl.tensor,
    samples: tl.tensor,
    cells: tl.tensor,
    PARTS: tl.constexpr,
) -> Any:
    """The first cell that a region reads along an axis, and how many."""
    half = bin_size * 0.5 / tl.maximum(samples, 1)
    first = tl.floor(start + half).to(tl.int32)
    last = tl.floor(start + PARTS * bin_size - half).to(tl.int32) + 1
    first = tl.minimum(tl.maximum(first, 0), cells - 1)
    last = tl.minimum(tl.maximum(last, 0), cells - 1)
    return first, tl.where(samples > 0, tl.maximum(last - first, 0) + 1, 0)


@jit
def _weights(
    cell: tl.tensor,
    start: tl.tensor,
    bin_size: tl.tensor,
    samples: tl.tensor,
    cells: tl.tensor,
    EVERY: tl.constexpr,
    BLOCK_SIDE: tl.constexpr,
    CELLS: tl.constexpr,
) -> Any:
    """Along an axis, the share of each cell in each bin: ``(B, CELLS)`` float32."""
    low = start + tl.arange(0, BLOCK_SIDE) * (EVERY * bin_size)
    total = tl.zeros((BLOCK_SIDE, CELLS), tl.float32)
    for sample in range(samples):
        at = low + (sample + 0.5) * bin_size / samples
        # A sample up to one cell outside reads the border; one further out reads nothing.
        counts = (at >= -1.0) & (at <= cells)
        at = tl.minimum(tl.maximum(at, 0.0), cells - 1.0)
        hat = 1.0 - tl.abs(at[:, None] - cell[None, :].to(tl.float32))
        total += tl.where(counts[:, None], tl.maximum(hat, 0.0), 0.0)
    return total / tl.maximum(samples, 1)
