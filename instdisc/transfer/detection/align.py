"""RoIAlign: the part of a map that a box covers, as a grid of fixed size.

Legend: R boxes, D channels, h x w cells of a map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import roi_align

from .fused_align import fused_align, fuses

_CANONICAL_SIZE, _CANONICAL_LEVEL = 224, 2


def align(maps: Sequence[Tensor], rois: Tensor, strides: Sequence[int], size: int) -> Tensor:
    """Bilinear samples of each box, averaged in ``size x size`` bins.

    With one map all boxes are read from it. With several, a box of area ``a`` is read from map
    ``floor(2 + log2(sqrt(a) / 224))``, where map 0 is the finest (stride 4).

    Args:
        maps: tensors ``(B, D, h, w)``, fine to coarse.
        rois: ``(R, 5)`` float32 rows of image index, left, top, right, bottom, in pixels.
        strides: pixels per cell of each map.
        size: bins per side.

    Returns:
        ``(R, D, size, size)``.

    Source:
        He et al., "Mask R-CNN" (2017), section 3, in the aligned form of detectron2: the centre of
        cell i stands at ``stride * (i + 0.5)`` pixels, and as many samples per bin are taken as it
        has cells. Lin et al., "Feature Pyramid Networks" (2017), equation 1, for the map.

    Example:
        >>> ramp = torch.arange(4.0).expand(1, 1, 4, 4)
        >>> align([ramp], torch.tensor([[0.0, 4.0, 4.0, 12.0, 12.0]]), [4], 2)[0, 0]
        tensor([[1., 2.],
                [1., 2.]])
    """
    if len(maps) == 1:
        return _align(maps[0], rois, strides[0], size)
    sides = ((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])).clamp(min=0).sqrt()
    levels = torch.floor(_CANONICAL_LEVEL + torch.log2(sides / _CANONICAL_SIZE + 1e-8))
    levels = levels.clamp(0, len(maps) - 1).long()
    order = levels.argsort(stable=True)
    counts: list[int] = torch.bincount(levels, minlength=len(maps)).tolist()
    aligned = [
        _align(map_, part, stride, size)
        for map_, part, stride in zip(maps, rois[order].split(counts), strides, strict=True)
    ]
    # The dtype of the maps may differ under autocast; cat promotes.
    return torch.cat(aligned)[order.argsort()]


def _align(map_: Tensor, rois: Tensor, stride: int, size: int) -> Tensor:
    if fuses(map_):
        return fused_align(map_, rois, 1 / stride, size)
    return roi_align(map_, rois, size, 1 / stride, sampling_ratio=0, aligned=True)
