"""Masks of a box to masks of an image.

Legend: N masks, M cells per side, H x W size of the image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call

_AT_ONCE = 16


@checked_call(size=checks.whole)
def paste_masks(masks: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Puts the masks of boxes into the image.

    The value of a pixel is the bilinear interpolation of the cells around its centre, with zeros
    around the mask; the pixel belongs to the mask if it is at least 0.5.

    Args:
        masks: ``(N, M, M)`` probabilities, of `Detections` as a `Detector` gives them.
        boxes: ``(N, 4)`` where they belong, in pixels of the image to paste into.
        size: its height and width.

    Returns:
        ``(N, H, W)`` bool.

    Source:
        detectron2's ``paste_masks_in_image`` with a threshold of 0.5. Differs from it: the
        interpolation is two matrix products instead of a grid of sampling points.

    Example:
        >>> mask = torch.tensor([[[0.9, 0.9], [0.0, 0.0]]])
        >>> paste_masks(mask, torch.tensor([[0.0, 0.0, 2.0, 4.0]]), (4, 3)).int()
        tensor([[[1, 1, 0],
                 [1, 1, 0],
                 [0, 0, 0],
                 [0, 0, 0]]], dtype=torch.int32)
    """
    checks.dtype("masks", checks.shape("masks", masks, ("N", "M", "M")), checks.FLOATS)
    checks.dtype("boxes", checks.shape("boxes", boxes, ("N", 4)), checks.FLOATS)
    checks.same_length("boxes", boxes, "masks", masks)
    pasted = torch.zeros(len(masks), *size, dtype=torch.bool, device=masks.device)
    for start in range(0, len(masks), _AT_ONCE):
        part, box = masks[start : start + _AT_ONCE].float(), boxes[start : start + _AT_ONCE]
        rows = _weights(box[:, 1], box[:, 3], size[0], part.shape[1])  # (n, H, M)
        columns = _weights(box[:, 0], box[:, 2], size[1], part.shape[2])  # (n, W, M)
        pasted[start : start + _AT_ONCE] = rows @ part @ columns.mT >= 0.5
    return pasted


def _weights(low: Tensor, high: Tensor, pixels: int, cells: int) -> Tensor:
    """The share of each cell in each pixel along one axis: ``(n, pixels, cells)``."""
    centres = torch.arange(pixels, device=low.device) + 0.5
    size = (high - low).clamp(min=1e-6)[:, None]
    position = (centres - low[:, None]) / size * cells - 0.5  # (n, pixels) in cells
    distance = position[..., None] - torch.arange(cells, device=low.device)
    return (1 - distance.abs()).clamp(min=0)
