"""Views cut out of images of different sizes, one launch for all views of a batch.

Legend: B images, H x W size of an image, S size of a view.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc import gpu
from instdisc.gpu import jit, tl

from ..resample import resample
from .cut_kernel import _support, _weight

_BLOCK = 256  # pixels of a view per program


def cut_each(images: Sequence[Tensor], boxes: Tensor, size: int) -> Tensor:
    """A view of each image, resized (antialiased bilinear).

    Args:
        images: B tensors ``(3, H, W)`` uint8 on the device.
        boxes: ``(B, 6)`` float32 there, see `resample`.
        size: S.

    Returns:
        ``(B, 3, S, S)`` uint8.

    Example:
        >>> images = [torch.full((3, 4, 6), 7, dtype=torch.uint8), torch.zeros(3, 5, 5).byte()]
        >>> boxes = torch.tensor([[0.0, 0, 4, 4, 1, 0], [0, 0, 5, 5, 1, 1]])
        >>> cut_each(images, boxes, 2)[:, 0].flatten(1).tolist()
        [[7, 7, 7, 7], [0, 0, 0, 0]]
    """
    if gpu.available(boxes.device):
        with torch.cuda.device(boxes.device):
            return cut_each_on_gpu(images, boxes, size)
    rows = zip(images, boxes.split(1), strict=True)
    return torch.cat([resample(image.transpose(0, 1)[None], box, size) for image, box in rows])


def cut_each_on_gpu(images: Sequence[Tensor], boxes: Tensor, size: int) -> Tensor:
    """The same by a kernel."""
    places, start = [], 0
    for image in images:
        places.append((start, *image.shape[1:]))
        start += image.numel()
    there = torch.tensor(places, dtype=torch.int64)
    if boxes.device.type == "cuda":
        there = there.pin_memory().to(boxes.device, non_blocking=True)
    flat = torch.cat([image.reshape(-1) for image in images])
    count, blocks = len(there), -(-size * size // _BLOCK)
    views = torch.empty(count, 3, size, size, dtype=torch.uint8, device=flat.device)
    _cut_each[(count * blocks,)](
        flat, there, boxes.float().contiguous(), views, blocks, size, BLOCK=_BLOCK, num_warps=4
    )
    return views


@jit
def _cut_each(
    flat: tl.tensor,
    places: tl.tensor,
    boxes: tl.tensor,
    views: tl.tensor,
    num_blocks: tl.tensor,
    size: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    image = tl.program_id(0) // num_blocks
    pixel = (tl.program_id(0) % num_blocks) * BLOCK + tl.arange(0, BLOCK)
    cuts = pixel < size * size
    source = flat + tl.load(places + image * 3)
    height = tl.load(places + image * 3 + 1).to(tl.int32)
    width = tl.load(places + image * 3 + 2).to(tl.int32)
    plane = height * width
    box = boxes + image * 6
    whole = tl.load(box + 4) <= 0  # resampling looks at the whole image, not at the box alone
    down, across = pixel // size, pixel % size
    across = tl.where(tl.load(box + 5) > 0, size - 1 - across, across)  # mirrored
    row, num_rows, tall, y, top, bottom = _support(
        tl.load(box), tl.load(box + 2), down, size, height, whole
    )
    column, num_columns, wide, x, left, right = _support(
        tl.load(box + 1), tl.load(box + 3), across, size, width, whole
    )
    red = tl.zeros([BLOCK], tl.float32)
    green = tl.zeros([BLOCK], tl.float32)
    blue = tl.zeros([BLOCK], tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    i = 0
    while i < num_rows:
        in_row = _weight(row + i, y, tall, top, bottom, height)
        j = 0
        while j < num_columns:
            weight = in_row * _weight(column + j, x, wide, left, right, width)
            counts = cuts & (weight > 0)
            place = source + (row + i) * width + column + j
            red += weight * tl.load(place, mask=counts, other=0).to(tl.float32)
            green += weight * tl.load(place + plane, mask=counts, other=0).to(tl.float32)
            blue += weight * tl.load(place + 2 * plane, mask=counts, other=0).to(tl.float32)
            total += weight
            j += 1
        i += 1
    total = tl.where(cuts, total, 1.0)
    view = views + image.to(tl.int64) * (3 * size * size) + pixel
    # Means of values up to 255: nothing to clamp.
    tl.store(view, (red / total + 0.5).to(tl.int32).to(tl.uint8), mask=cuts)
    tl.store(view + size * size, (green / total + 0.5).to(tl.int32).to(tl.uint8), mask=cuts)
    tl.store(view + 2 * size * size, (blue / total + 0.5).to(tl.int32).to(tl.uint8), mask=cuts)
