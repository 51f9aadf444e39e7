"""Anchors: the boxes that proposals start from.

Legend: A anchors per cell, h x w cells of a map, s stride of a map in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

RATIOS = (0.5, 1.0, 2.0)


def base_anchors(sizes: Sequence[float], ratios: Sequence[float] = RATIOS) -> Tensor:
    """The anchors of one cell, around the origin.

    An anchor of size a and ratio r is ``a / sqrt(r)`` wide and ``a * sqrt(r)`` high.

    Args:
        sizes: square roots of the areas, in pixels.
        ratios: height over width.

    Returns:
        ``(len(sizes) * len(ratios), 4)`` float32 left, top, right, bottom, in pixels; the ratio
        runs fastest.

    Source:
        Ren et al., "Faster R-CNN" (2015), section 3.1.1, in the order of detectron2. Differs from
        torchvision: the corners are not rounded, which moves some by 0.49 px, and the ratio runs
        fastest.

    Example:
        >>> base_anchors([32])
        tensor([[-22.6274, -11.3137,  22.6274,  11.3137],
                [-16.0000, -16.0000,  16.0000,  16.0000],
                [-11.3137, -22.6274,  11.3137,  22.6274]])
    """
    size = torch.tensor(sizes, dtype=torch.float64).repeat_interleave(len(ratios))
    root = torch.tensor(ratios, dtype=torch.float64).sqrt().repeat(len(sizes))
    halves = torch.stack([size / root, size * root], dim=1) / 2  # (A, 2)
    return torch.cat([-halves, halves], dim=1).float()


class Anchors(nn.Module):
    """The anchors of every cell of every map.

    Cell (i, j) of a map has its anchors around pixel ``(s * j, s * i)``: offset 0, as in the
    papers' detectors. Anchors that cross the border of the image are kept.

    Args:
        sizes: of each map, the sizes of its anchors in pixels.
        strides: of each map, pixels per cell.
        ratios: height over width, of every map.

    Example:
        >>> anchors = Anchors([[32, 64]], [16])
        >>> anchors([(2, 3)])[0].shape  # 2 x 3 cells of 6 anchors
        torch.Size([36, 4])
    """

    def __init__(
        self,
        sizes: Sequence[Sequence[float]],
        strides: Sequence[int],
        *,
        ratios: Sequence[float] = RATIOS,
    ) -> None:
        super().__init__()
        self.strides = list(strides)
        self.per_cell = len(sizes[0]) * len(ratios)
        for level, level_sizes in enumerate(sizes):
            self.register_buffer(
                f"base{level}", base_anchors(level_sizes, ratios), persistent=False
            )

    def forward(self, shapes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """The anchors of maps of these shapes.

        Args:
            shapes: height and width of each map, in cells.

        Returns:
            Per map ``(h * w * A, 4)`` float32 in pixels: rows of cells, then cells, then anchors.
        """
        grids = []
        for level, ((height, width), stride) in enumerate(zip(shapes, self.strides, strict=True)):
            base: Tensor = self.get_buffer(f"base{level}")
            # (h, w, 1, 2) x and y of each cell, made on the device: nothing is copied to it
            y, x = torch.meshgrid(
                torch.arange(height, device=base.device) * stride,
                torch.arange(width, device=base.device) * stride,
                indexing="ij",
            )
            shifts = torch.stack([x, y, x, y], dim=-1)[:, :, None]  # (h, w, 1, 4)
            grids.append((shifts + base).reshape(-1, 4))
        return grids
