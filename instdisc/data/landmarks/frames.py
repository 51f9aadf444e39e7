"""How a square view is cut around a face.

Legend: B views, S side of a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks

from ..views.dataset import IMAGENET_MEAN
from ..views.draws import Draws
from ..views.frames import Box, Frame


class SquareFrame(Frame):
    """A square around a region of the image, a little off at random, resized; the shape is kept.

    The square has the region's centre and ``(1 + 2 margin)`` times its long side. Where it reaches
    beyond the image it is filled with a mean colour, so no point is ever lost to an edge.

    Args:
        size: S in pixels.
        margin: is added on each side, in long sides of the region; negative to cut off.
        scale: how much the square may shrink or grow at random: a factor from [1 - x, 1 + x].
        shift: how far it may move at random along each axis: up to x of its side.
        interpolation: ``"bilinear"`` or ``"bicubic"``, with antialias.
        mean: the colour beyond the image, for images in [0, 1]: that of the normalisation, so that
            it is 0 afterwards, but for the rounding to whole levels.

    Raises:
        ValueError: if an argument is out of range.

    Source:
        Without chance and around the whole image this is a resize; ``margin=-0.212`` on CelebA's
        aligned 178 x 218 pixels is the middle 125.6, those that "136, then the middle 96" of
        cvl-umass/contrast-landmark leaves of a short side of 178.

    Example:
        >>> frame = SquareFrame(32, margin=0.25)
        >>> frame.around((10, 10, 30, 20), [])
        Box(top=0, left=5, height=30, width=30, inside=True)
        >>> frame.cut(torch.zeros(3, 40, 50, dtype=torch.uint8), []).shape
        torch.Size([3, 32, 32])
    """

    size: int

    def __init__(
        self,
        size: int,
        *,
        margin: float = 0.0,
        scale: float = 0.0,
        shift: float = 0.0,
        interpolation: Literal["bilinear", "bicubic"] = "bilinear",
        mean: Sequence[float] = IMAGENET_MEAN,
    ) -> None:
        checks.arguments(SquareFrame.__init__, locals(), size=checks.whole)
        if len(mean) != 3:
            checks.refuse("mean", "three numbers, one for each channel", mean)
        checks.finite("margin", margin, above=-0.5, remedy="At -0.5 nothing is left.")
        checks.share("scale", scale, one=False)
        checks.share("shift", shift, one=False)
        self.size = size
        self.interpolation = interpolation
        self._padding = [round(255 * part) for part in mean]
        self.margin = margin
        self.scale = scale
        self.shift = shift

    @property
    def is_random(self) -> bool:
        """Whether two views of an image can differ."""
        return self.scale > 0 or self.shift > 0

    def draw(self, draws: Draws) -> np.ndarray:
        if not self.is_random:
            return np.empty((len(draws), 0))
        factor = draws.uniform(1 - self.scale, 1 + self.scale)
        moves = [draws.uniform(-self.shift, self.shift) for _ in range(2)]
        return np.stack([factor, *moves], 1)

    def cut(self, image: Tensor, numbers: Sequence[float]) -> Tensor:
        return self.cut_box(image, self.box(image.shape[1], image.shape[2], numbers))

    def box(self, height: int, width: int, numbers: Sequence[float]) -> Box:
        return self.around((0.0, 0.0, float(width), float(height)), numbers)

    def around(self, region: Sequence[float], numbers: Sequence[float]) -> Box:
        """The square around a region, in whole pixels.

        Args:
            region: left, top, right, bottom in pixels.
            numbers: the view's row of `draw`.
        """
        left, top, right, bottom = region
        factor, right_by, down_by = numbers or (1.0, 0.0, 0.0)
        exact = (1 + 2 * self.margin) * max(right - left, bottom - top) * factor
        side = max(1, round(exact))
        x = (left + right) / 2 + right_by * side
        y = (top + bottom) / 2 + down_by * side
        return Box(round(y - side / 2), round(x - side / 2), side, side, True)

    def cut_box(self, image: Tensor, box: Box) -> Tensor:
        """The view ``(3, S, S)`` uint8 of a box of a ``(3, H, W)`` uint8 image."""
        height, width = image.shape[1:]
        top, left, side = int(box.top), int(box.left), int(box.height)
        rows = slice(max(top, 0), max(min(top + side, height), 0))
        columns = slice(max(left, 0), max(min(left + side, width), 0))
        part = image[:, rows, columns]
        if part.shape[1:] != (side, side):
            padded = image.new_tensor(self._padding)[:, None, None].repeat(1, side, side)
            if part.numel():
                y, x = rows.start - top, columns.start - left
                padded[:, y : y + part.shape[1], x : x + part.shape[2]] = part
            part = padded
        if side == self.size:
            return part.clone(memory_format=torch.contiguous_format)
        view: Tensor = F.interpolate(
            part[None],
            (self.size, self.size),
            mode=self.interpolation,
            align_corners=False,
            antialias=True,
        )[0]
        return view
