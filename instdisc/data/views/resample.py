"""Many views of images of one size, cut at once by matrix products.

Legend: B images, H x W size of an image, S size of a view.
"""

from __future__ import annotations

import torch
from torch import Tensor

_FAR = 1e9  # pixels, where no triangle reaches


def resample(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cuts a box out of each image, resizes it (antialiased bilinear) and may mirror it.

    Resizing is linear in the rows and in the columns, so a view is ``R @ image @ C`` with two
    small matrices per image; cropping and mirroring are part of them.

    Args:
        images: ``(B, H, 3, W)`` uint8: rows, in each row its three colours.
        boxes: ``(B, 6)`` float: the fields of `Box`, and whether the view is mirrored.
        size: S.

    Returns:
        ``(B, 3, S, S)`` uint8.

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
    top, left, tall, wide, inside, mirrored = boxes.float().unbind(1)
    across = _weights(left, wide, inside, mirrored, width, size)  # (B, S, W)
    down = _weights(top, tall, inside, torch.zeros_like(mirrored), height, size)  # (B, S, H)
    rows = images.to(across.dtype).reshape(count, height * 3, width)
    narrow = torch.bmm(rows, across.transpose(1, 2))  # (B, 3 H, S)
    views = torch.bmm(down, narrow.view(count, height, 3 * size))  # (B, S, 3 S)
    views = views.add_(0.5).to(torch.uint8)  # means of values up to 255: nothing to clamp
    return views.view(count, size, 3, size).transpose(1, 2).contiguous()


def _weights(
    start: Tensor, length: Tensor, inside: Tensor, mirrored: Tensor, pixels: int, size: int
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
