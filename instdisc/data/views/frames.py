"""How a view is cut out of an image.

Legend: B views, n numbers of a frame, H x W size of an image, S size of a view.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as TF

from instdisc import checks

from .draws import Draws

_TRIES = 10
_SHAPES = (math.log(3 / 4), math.log(4 / 3))


class Box(NamedTuple):
    """A part of an image that becomes a view.

    Attributes:
        top: in pixels; fractions are allowed, here and below.
        left: in pixels.
        height: in pixels.
        width: in pixels.
        inside: whether the resampling looks at pixels of the box alone (crop, then resize) or
            also at those around it (resize, then crop).
    """

    top: float
    left: float
    height: float
    width: float
    inside: bool


class Frame(ABC):
    """How a view is cut out of the image and brought to its size; subclass it to add your own.

    A worker calls `draw` once for a batch, and for each image `cut`; or `boxes`, where many images
    of one size are cut at once.

    Attributes:
        size: S, the side of the square view in pixels.
        interpolation: ``"bilinear"`` or ``"bicubic"``; views of images kept in one tensor can be
            cut at once if it is bilinear.
    """

    size: int
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    @abstractmethod
    def draw(self, draws: Draws) -> np.ndarray:
        """The random numbers of the views, ``(B, n)``; the sizes of the images are not known."""

    @abstractmethod
    def cut(self, image: Tensor, numbers: Sequence[float]) -> Tensor:
        """A ``(3, S, S)`` uint8 view of a ``(3, H, W)`` uint8 image, by the view's n numbers."""

    @abstractmethod
    def box(self, height: int, width: int, numbers: Sequence[float]) -> Box:
        """The part of an H x W image that `cut` resamples."""

    def boxes(self, height: int, width: int, numbers: np.ndarray) -> np.ndarray:
        """`box` of B views of images of one size, by their numbers ``(B, n)``: ``(B, 5)``."""
        rows = [self.box(height, width, row) for row in numbers.tolist()]
        return np.array(rows, dtype=float).reshape(-1, len(Box._fields))


class RandomResizedCrop(Frame):
    """A random part of the image of random shape, resized.

    Args:
        size: S in pixels.
        scale: smallest and largest share of the image's area.

    Raises:
        ValueError: if `size` or `scale` is out of range.

    Source:
        torchvision's transform of that name; sides in the ratio 3:4 to 4:3, ten tries, then the
        centre; antialiased bilinear.

    Example:
        >>> import torch
        >>> crop = RandomResizedCrop(32, (0.2, 1.0))
        >>> numbers = crop.draw(Draws(0, 0, [7], 0))
        >>> crop.cut(torch.zeros(3, 80, 60, dtype=torch.uint8), numbers[0]).shape
        torch.Size([3, 32, 32])
    """

    def __init__(self, size: int, scale: tuple[float, float] = (0.2, 1.0)) -> None:
        checks.arguments(RandomResizedCrop.__init__, locals(), size=checks.whole)
        self.size = size
        self.scale = check_scale("scale", scale)

    def draw(self, draws: Draws) -> np.ndarray:
        # Where the box lies, then the tries: share of the area and logarithm of width / height.
        columns = [draws.uniform(), draws.uniform()]
        for _ in range(_TRIES):
            columns += [draws.uniform(*self.scale), draws.uniform(*_SHAPES)]
        return np.stack(columns, 1)

    def cut(self, image: Tensor, numbers: Sequence[float]) -> Tensor:
        top, left, height, width, _ = self.box(image.shape[1], image.shape[2], numbers)
        part = image[None, :, int(top) : int(top + height), int(left) : int(left + width)]
        part = part.contiguous(memory_format=torch.channels_last)  # which torch resizes fastest
        view: Tensor = F.interpolate(
            part, (self.size, self.size), mode="bilinear", align_corners=False, antialias=True
        )[0]
        return view

    def box(self, height: int, width: int, numbers: Sequence[float]) -> Box:
        down, right = numbers[:2]
        for i in range(2, 2 + 2 * _TRIES, 2):
            area, root = height * width * numbers[i], math.exp(numbers[i + 1] / 2)
            side = math.sqrt(area)
            w, h = round(side * root), round(side / root)
            if 0 < w <= width and 0 < h <= height:
                return Box(int(down * (height - h + 1)), int(right * (width - w + 1)), h, w, True)
        return self._centre(height, width)

    def boxes(self, height: int, width: int, numbers: np.ndarray) -> np.ndarray:
        # `box`, for all views and tries at once.
        down, right, *_ = numbers.T
        sides, roots = np.sqrt(height * width * numbers[:, 2::2]), np.exp(numbers[:, 3::2] / 2)
        widths, heights = np.rint(sides * roots), np.rint(sides / roots)  # (B, tries)
        fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
        chosen = np.arange(len(numbers)), fits.argmax(1)  # the first that fits
        w, h = widths[chosen], heights[chosen]
        top, left = np.floor(down * (height - h + 1)), np.floor(right * (width - w + 1))
        found = np.stack([top, left, h, w, np.ones_like(top)], 1)
        found[~fits[chosen]] = self._centre(height, width)
        return found

    def _centre(self, height: int, width: int) -> Box:
        w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
        return Box((height - h) // 2, (width - w) // 2, h, w, True)


class CenterCrop(Frame):
    """The middle of the image, after its short side was resized.

    Args:
        size: S in pixels.
        resize: length of the short side before the crop; at least `size`.
        keep_aspect: whether the long side is resized in proportion; else to `resize` too, which
            squeezes the whole image into a square.
        interpolation: ``"bilinear"`` or ``"bicubic"``, with antialias.

    Raises:
        ValueError: if `size` is not positive, `resize` is below it, or `interpolation` is unknown.

    Example:
        >>> import torch
        >>> image = torch.zeros(3, 80, 60, dtype=torch.uint8)
        >>> CenterCrop(224, resize=256).cut(image, []).shape
        torch.Size([3, 224, 224])
    """

    def __init__(
        self,
        size: int,
        *,
        resize: int,
        keep_aspect: bool = True,
        interpolation: Literal["bilinear", "bicubic"] = "bilinear",
    ) -> None:
        checks.arguments(CenterCrop.__init__, locals(), size=checks.whole, resize=checks.whole)
        self.size = size
        self.interpolation = interpolation
        if resize < size:
            raise ValueError(f"`resize` must be at least `size`={size}, got {resize}")
        self.resize = resize
        self.keep_aspect = keep_aspect

    def draw(self, draws: Draws) -> np.ndarray:
        return np.empty((len(draws), 0))

    def cut(self, image: Tensor, numbers: Sequence[float]) -> Tensor:
        mode = TF.InterpolationMode(self.interpolation)
        if not self.keep_aspect:
            image = TF.resize(image, [self.resize, self.resize], mode, antialias=True)
        elif min(image.shape[1:]) != self.resize:
            image = TF.resize(image, [self.resize], mode, antialias=True)
        view: Tensor = TF.center_crop(image, [self.size, self.size])
        return view

    def box(self, height: int, width: int, numbers: Sequence[float]) -> Box:
        # What torchvision's resize and crop make of it, in pixels of the image before them.
        short = min(height, width)
        sides, starts = [], []
        for side in (height, width):
            resized = side * self.resize // short if self.keep_aspect else self.resize
            start = round((resized - self.size) / 2)
            sides.append(self.size * side / resized)
            starts.append(start * side / resized)
        return Box(starts[0], starts[1], sides[0], sides[1], False)


def check_scale(name: str, scale: tuple[float, float]) -> tuple[float, float]:
    """Returns the smallest and the largest share of an image that a crop takes.

    Raises:
        ValueError: if they are no shares, or do not rise.
    """
    if not 0 < scale[0] <= scale[1] <= 1:
        checks.refuse(name, "such that 0 < low <= high <= 1", scale)
    return scale
