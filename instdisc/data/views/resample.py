"""Many views of images of one size, cut at once by matrix products.

Legend: B images, V views of each, H x W size of an image, S x T size of a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from instdisc import gpu
from instdisc.types import ImageSize

from .fused.cut import cut_each_on_gpu, cut_on_gpu
from .sizes import sides

_FAR = 1e9  # pixels, where no triangle reaches
_TABLE_SIZE = 16 * 2**20  # bytes of weights that are kept instead of computed, per axis


def cut_boxes(
    stack: Tensor, boxes: Sequence[Tensor], indices: Tensor, sizes: Sequence[ImageSize]
) -> list[Tensor]:
    """The views of a batch of images that are kept in one tensor, on the device where it lies.

    Args:
        stack: ``(N, H, 3, W)`` uint8, see `ImagesInMemory`.
        boxes: V tensors ``(B, 6)``, see `UncutViews`.
        indices: ``(B,)`` int64.
        sizes: V sides of square views, or pairs of S and T.

    Returns:
        V tensors ``(B, 3, S, T)`` uint8.
    """
    if gpu.available(stack.device):
        pairs = zip(boxes, sizes, strict=True)
        return [cut_on_gpu(stack, regions, indices, size) for regions, size in pairs]
    # On the CPU in pieces that stay in the processor's cache, which is faster.
    piece = 64 if stack.device.type == "cpu" else len(indices)
    views = []
    for size, regions in zip(sizes, boxes, strict=True):
        parts = zip(indices.split(piece), regions.split(piece), strict=True)
        views.append(
            torch.cat([resample(stack.index_select(0, rows), box, size) for rows, box in parts])
        )
    return views


def cut_each(images: Sequence[Tensor], boxes: Tensor, size: ImageSize) -> Tensor:
    """A view of each image, resized (antialiased bilinear).

    Args:
        images: B tensors ``(3, H, W)`` uint8 on the device.
        boxes: ``(B, 6)`` float32 there, see `resample`.
        size: side of a square view, or S and T.

    Returns:
        ``(B, 3, S, T)`` uint8.

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


def resample(images: Tensor, boxes: Tensor, size: ImageSize) -> Tensor:
    """Cuts a box out of each image, resizes it (antialiased bilinear) and may mirror it.

    Resizing is linear in the rows and in the columns, so a view is ``R @ image @ C`` with two
    small matrices per image; cropping and mirroring are part of them.

    Args:
        images: ``(B, H, 3, W)`` uint8: rows, in each row its three colours.
        boxes: ``(B, 6)`` float: the fields of `Box`, and whether the view is mirrored.
        size: side of a square view, or S and T.

    Returns:
        ``(B, 3, S, T)`` uint8.

    Source:
        The antialiased bilinear resize of torch and PIL: a triangle of the width of an output
        pixel (of an input pixel, where the view is larger than the box), cut off at the border
        and normalised.

    Example:
        >>> images = torch.arange(4, dtype=torch.uint8).expand(1, 4, 3, 4)
        >>> box = torch.tensor([[0.0, 0.0, 4.0, 4.0, 1.0, 1.0]])  # all of it, mirrored
        >>> resample(images, box, 4)[0, 0, 0]
        tensor([3, 2, 1, 0], dtype=torch.uint8)
    """
    count, height, _, width = images.shape
    tall, wide = sides(size)
    down, across = _matrices(boxes.float(), height, width, tall, wide)
    rows = images.to(across.dtype).reshape(count, height * 3, width)
    narrow = torch.bmm(rows, across.transpose(1, 2))  # (B, 3 H, T)
    views = torch.bmm(down, narrow.view(count, height, 3 * wide))  # (B, S, 3 T)
    # Means of values up to 255: nothing to clamp. Straight to uint8 takes torch twice as long.
    views = views.add_(0.5).to(torch.int16).to(torch.uint8)
    return views.view(count, tall, 3, wide).transpose(1, 2).contiguous()


def _matrices(
    boxes: Tensor, height: int, width: int, tall: int, wide: int
) -> tuple[Tensor, Tensor]:
    """R, ``(B, tall, H)``, and C transposed, ``(B, wide, W)``."""
    top, left, lengths, breadths, inside, mirrored = boxes.unbind(1)
    upright = torch.zeros_like(mirrored)
    down, across = (top, lengths, height, upright), (left, breadths, width, mirrored)
    if _in_table(boxes, height, width, max(tall, wide)):
        return _look_up(*down, tall), _look_up(*across, wide)
    return _weights(*down, tall, inside), _weights(*across, wide, inside)


def _in_table(boxes: Tensor, height: int, width: int, size: int) -> bool:
    """Whether boxes are of small images on the CPU, of whole pixels, and crops of them."""
    pixels = max(height, width)
    if boxes.device.type != "cpu" or 8 * pixels**3 * size > _TABLE_SIZE:
        return False
    numbers = boxes.numpy()
    starts, lengths, inside = numbers[:, :2], numbers[:, 2:4], numbers[:, 4]
    crops = (starts >= 0).all() and (lengths > 0).all() and inside.all()
    crops = crops and (starts + lengths <= (height, width)).all()
    return bool(crops and (numbers[:, :4] % 1 == 0).all())


def _look_up(start: Tensor, length: Tensor, pixels: int, mirrored: Tensor, size: int) -> Tensor:
    places = (mirrored * pixels + start) * (pixels + 1) + length
    return _table(pixels, size).index_select(0, places.int())


@lru_cache(maxsize=8)
def _table(pixels: int, size: int) -> Tensor:
    """The weights of every box of whole pixels, ``(2 pixels (pixels + 1), size, pixels)``."""
    starts, lengths = torch.arange(pixels), torch.arange(pixels + 1)
    boxes = torch.cartesian_prod(torch.arange(2), starts, lengths).float()
    mirrored, start, length = boxes.unbind(1)
    return _weights(start, length, pixels, mirrored, size, torch.ones_like(start))


def _weights(
    start: Tensor, length: Tensor, pixels: int, mirrored: Tensor, size: int, inside: Tensor
) -> Tensor:
    """``(B, size, pixels)``: how much of each pixel along one axis is in each pixel of the view."""
    step = length / size  # (B,) pixels of the image per pixel of the view
    places = torch.arange(size, device=start.device, dtype=start.dtype) + 0.5  # (S,)
    places = torch.where(mirrored[:, None] > 0, size - places, places)  # (B, S)
    centres = start[:, None] + places * step[:, None]  # (B, S)
    middles = torch.arange(pixels, device=start.device, dtype=start.dtype) + 0.5  # (pixels,)
    low = torch.where(inside > 0, start, 0.0)[:, None]
    high = torch.where(inside > 0, start + length, float(pixels))[:, None]
    outside = (middles <= low) | (middles >= high)  # (B, pixels)
    width = step.clamp(min=1)[:, None]  # (B, 1) of half a triangle
    pixel, centre = middles.where(~outside, _FAR) / width, centres / width
    weights = pixel[:, None].sub(centre[:, :, None]).abs_().neg_().add_(1).clamp_(min=0)
    return weights.div_(weights.sum(2, keepdim=True))
