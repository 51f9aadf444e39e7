"""Boxes as offsets from other boxes, and cut at the border of the image.

Legend: M boxes; a box is left, top, right, bottom in pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

RPN_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
ROI_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
_LARGEST_GROWTH = math.log(1000 / 16)
Weights = tuple[float, float, float, float]


def encode(boxes: Tensor, origins: Tensor, weights: Weights) -> Tensor:
    """The offsets that lead from `origins` to `boxes`.

    ``(wx (x - xo) / ao, wy (y - yo) / ho, ww log(a / ao), wh log(h / ho))`` with centres (x, y),
    width a and height h.

    Args:
        boxes: ``(..., 4)``.
        origins: ``(..., 4)``, of positive width and height.
        weights: wx, wy, ww, wh.

    Returns:
        ``(..., 4)``.

    Source:
        Girshick et al., "R-CNN" (2014), appendix C. Equals `torchvision.models.detection`
        ``BoxCoder``, which copies its weights to the device in every call, and so waits for it.

    Example:
        >>> square = torch.tensor([0.0, 0.0, 8.0, 8.0])
        >>> encode(square + torch.tensor([4.0, 0.0, 4.0, 0.0]), square, RPN_WEIGHTS)
        tensor([0.5000, 0.0000, 0.0000, 0.0000])
    """
    centre, size = _centre_and_size(boxes)
    origin, origin_size = _centre_and_size(origins)
    (x, y), (a, h) = ((centre - origin) / origin_size).unbind(-1), (size / origin_size).unbind(-1)
    wx, wy, ww, wh = weights
    return torch.stack([wx * x, wy * y, ww * a.log(), wh * h.log()], dim=-1)


def decode(offsets: Tensor, origins: Tensor, weights: Weights) -> Tensor:
    """The boxes that `offsets` lead to; the inverse of `encode`.

    Args:
        offsets: ``(..., 4)``. A box grows at most 62.5 times in a step, so that no
            exponential overflows.
        origins: ``(..., 4)``.
        weights: as in `encode`.

    Returns:
        ``(..., 4)`` float32.

    Example:
        >>> square = torch.tensor([0.0, 0.0, 8.0, 8.0])
        >>> decode(torch.tensor([0.5, 0.0, 0.0, 0.0]), square, RPN_WEIGHTS)
        tensor([ 4.,  0., 12.,  8.])
    """
    origin, origin_size = _centre_and_size(origins.float())
    x, y, a, h = offsets.float().unbind(-1)
    wx, wy, ww, wh = weights
    centre = origin + torch.stack([x / wx, y / wy], dim=-1) * origin_size
    growth = torch.stack([a / ww, h / wh], dim=-1).clamp(max=_LARGEST_GROWTH).exp()
    half = growth * origin_size / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def clip(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Cuts boxes at the border of their image.

    Args:
        boxes: ``(..., 4)``.
        sizes: ``(..., 2)`` height and width of the image of each box, on the same device.

    Returns:
        ``(..., 4)``.

    Example:
        >>> clip(torch.tensor([-3.0, 2.0, 12.0, 7.0]), torch.tensor([5, 10]))
        tensor([ 0.,  2., 10.,  5.])
    """
    borders = sizes.flip(-1).to(boxes.dtype)  # (..., 2) width, height
    corners = boxes.unflatten(-1, (2, 2)).clamp(min=0)
    return torch.minimum(corners, borders[..., None, :]).flatten(-2)


def has_area(boxes: Tensor) -> Tensor:
    """Whether each box ``(..., 4)`` has any; bool ``(...,)``.

    Example:
        >>> has_area(torch.tensor([[0.0, 0.0, 4.0, 4.0], [4.0, 0.0, 4.0, 4.0]]))
        tensor([ True, False])
    """
    return (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])


def _centre_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    low, high = boxes.unflatten(-1, (2, 2)).unbind(-2)
    return low + 0.5 * (high - low), high - low
