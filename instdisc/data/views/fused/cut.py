"""Views cut out of images on a GPU, one launch for all views of a batch.

Legend: N images, B of them, H x W size of an image, S x T size of a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from instdisc.gpu import jit, tl
from instdisc.types import ImageSize

from ..sizes import sides

_BLOCK = 256  # pixels of a view per program


def cut_on_gpu(stack: Tensor, boxes: Tensor, indices: Tensor, size: ImageSize) -> Tensor:
    """What `resample` gives for ``stack[indices]``, without copies and small matrices.

    Args:
        stack: ``(N, H, 3, W)`` uint8.
        boxes: ``(B, 6)`` float32.
        indices: ``(B,)`` int64.
        size: side of a square view, or S and T.

    Returns:
        ``(B, 3, S, T)`` uint8, up to one level beside `resample` where both lie halfway.
    """
    count, (_, height, _, width) = len(boxes), stack.shape
    tall, wide = sides(size)
    views = torch.empty(count, 3, tall, wide, dtype=torch.uint8, device=stack.device)
    blocks = -(-tall * wide // _BLOCK)
    on_gpu = stack.device.type == "cuda"
    with torch.cuda.device(stack.device) if on_gpu else nullcontext():
        if count:
            _cut[(count * blocks,)](
                stack,
                boxes.float().contiguous(),
                indices.contiguous(),
                views,
                *stack.stride(),
                blocks,
                height,
                width,
                tall,
                wide,
                BLOCK=_BLOCK,
                num_warps=4,
            )
    return views


def cut_each_on_gpu(images: Sequence[Tensor], boxes: Tensor, size: ImageSize) -> Tensor:
    """What `cut_each` gives, up to one level beside it where both lie halfway.

    Args:
        images: B tensors ``(3, H, W)`` uint8.
        boxes: ``(B, 6)`` float32.
        size: side of a square view, or S and T.

    Returns:
        ``(B, 3, S, T)`` uint8.
    """
    places, start = [], 0
    for image in images:
        places.append((start, *image.shape[1:]))
        start += image.numel()
    there = torch.tensor(places, dtype=torch.int64)
    if boxes.device.type == "cuda":
        there = there.pin_memory().to(boxes.device, non_blocking=True)
    flat = torch.cat([image.reshape(-1) for image in images])
    tall, wide = sides(size)
    count, blocks = len(there), -(-tall * wide // _BLOCK)
    views = torch.empty(count, 3, tall, wide, dtype=torch.uint8, device=flat.device)
    _cut_each[(count * blocks,)](
        flat,
        there,
        boxes.float().contiguous(),
        views,
        blocks,
        tall,
        wide,
        BLOCK=_BLOCK,
        num_warps=4,
    )
    return views


@jit
def _cut(
    stack: tl.tensor,
    boxes: tl.tensor,
    indices: tl.tensor,
    views: tl.tensor,
    image_stride: tl.tensor,
    row_stride: tl.tensor,
    plane_stride: tl.tensor,
    pixel_stride: tl.tensor,
    num_blocks: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    tall: tl.tensor,
    wide: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    image = tl.program_id(0) // num_blocks
    pixel = (tl.program_id(0) % num_blocks) * BLOCK + tl.arange(0, BLOCK)
    _cut_pixels(
        stack + tl.load(indices + image) * image_stride,
        row_stride,
        plane_stride,
        pixel_stride,
        height,
        width,
        boxes + image * 6,
        views + image.to(tl.int64) * (3 * tall * wide),
        tall,
        wide,
        pixel,
        BLOCK,
    )


@jit
def _cut_each(
    flat: tl.tensor,
    places: tl.tensor,
    boxes: tl.tensor,
    views: tl.tensor,
    num_blocks: tl.tensor,
    tall: tl.tensor,
    wide: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    image = tl.program_id(0) // num_blocks
    pixel = (tl.program_id(0) % num_blocks) * BLOCK + tl.arange(0, BLOCK)
    height = tl.load(places + image * 3 + 1).to(tl.int32)
    width = tl.load(places + image * 3 + 2).to(tl.int32)
    _cut_pixels(
        flat + tl.load(places + image * 3),
        width,
        height * width,
        1,
        height,
        width,
        boxes + image * 6,
        views + image.to(tl.int64) * (3 * tall * wide),
        tall,
        wide,
        pixel,
        BLOCK,
    )


@jit
def _cut_pixels(
    source: tl.tensor,
    row_stride: tl.tensor,
    plane_stride: tl.tensor,
    pixel_stride: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    box: tl.tensor,
    view: tl.tensor,
    tall: tl.tensor,
    wide: tl.tensor,
    pixel: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Some pixels of the view that a box cuts out of one image."""
    cuts = pixel < tall * wide
    beyond = tl.load(box + 4) <= 0  # resampling looks at the whole image, not at the box alone
    down, across = pixel // wide, pixel % wide
    across = tl.where(tl.load(box + 5) > 0, wide - 1 - across, across)  # mirrored
    row, num_rows, half_row, y, top, bottom = _support(
        tl.load(box), tl.load(box + 2), down, tall, height, beyond
    )
    column, num_columns, half_column, x, left, right = _support(
        tl.load(box + 1), tl.load(box + 3), across, wide, width, beyond
    )
    red = tl.zeros([BLOCK], tl.float32)
    green = tl.zeros([BLOCK], tl.float32)
    blue = tl.zeros([BLOCK], tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    i = 0
    while i < num_rows:
        in_row = _weight(row + i, y, half_row, top, bottom, height)
        j = 0
        while j < num_columns:
            weight = in_row * _weight(column + j, x, half_column, left, right, width)
            counts = cuts & (weight > 0)
            place = source + (row + i) * row_stride + (column + j) * pixel_stride
            red += weight * tl.load(place, mask=counts, other=0).to(tl.float32)
            green += weight * tl.load(place + plane_stride, mask=counts, other=0).to(tl.float32)
            blue += weight * tl.load(place + 2 * plane_stride, mask=counts, other=0).to(tl.float32)
            total += weight
            j += 1
        i += 1
    total = tl.where(cuts, total, 1.0)
    view += pixel
    # Means of values up to 255: nothing to clamp.
    tl.store(view, (red / total + 0.5).to(tl.int32).to(tl.uint8), mask=cuts)
    tl.store(view + tall * wide, (green / total + 0.5).to(tl.int32).to(tl.uint8), mask=cuts)
    tl.store(view + 2 * tall * wide, (blue / total + 0.5).to(tl.int32).to(tl.uint8), mask=cuts)


@jit
def _support(
    start: tl.tensor,
    length: tl.tensor,
    place: tl.tensor,
    size: tl.tensor,
    num_pixels: tl.tensor,
    beyond: tl.tensor,
) -> tl.tuple:
    """Along one axis: the first pixel under a triangle and how many; its width, centre, limits."""
    step = length / size  # pixels of the image per pixel of the view
    width = tl.maximum(step, 1.0)
    centre = start + (place.to(tl.float32) + 0.5) * step
    first = tl.floor(centre - width - 0.5).to(tl.int32) + 1
    low = tl.where(beyond, 0.0, start)
    high = tl.where(beyond, num_pixels.to(tl.float32), start + length)
    return first, tl.ceil(2 * width).to(tl.int32), width, centre, low, high


@jit
def _weight(
    pixel: tl.tensor,
    centre: tl.tensor,
    width: tl.tensor,
    low: tl.tensor,
    high: tl.tensor,
    num_pixels: tl.tensor,
) -> tl.tensor:
    middle = pixel.to(tl.float32) + 0.5
    weight = tl.maximum(1 - tl.abs(middle / width - centre / width), 0.0)
    inside = (middle > low) & (middle < high) & (pixel >= 0) & (pixel < num_pixels)
    return tl.where(inside, weight, 0.0)
