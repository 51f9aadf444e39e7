"""How a view is cut out of an image.

Legend: B views, n numbers of a frame, H x W size of an image, S x T size of a view.
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
from instdisc.types import ImageSize

from .draws import Draws
from .sizes import plain, sides

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
        size: the side of a square view in pixels, or S and T, height and width.
        interpolation: ``"bilinear"`` or ``"bicubic"``; views of images kept in one tensor can be
            cut at once if it is bilinear.
    """

    size: ImageSize
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    @property
    def sides(self) -> tuple[int, int]:
        """S and T: height and width of a view."""
        return sides(self.size)

    @abstractmethod
    def draw(self, draws: Draws) -> np.ndarray:
        """The random numbers of the views, ``(B, n)``; the sizes of the images are not known."""

    @abstractmethod
    def cut(self, image: Tensor, numbers: Sequence[float]) -> Tensor:
        """A ``(3, S, T)`` uint8 view of a ``(3, H, W)`` uint8 image, by the view's n numbers."""

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
        size: the side of a view in pixels, or its height and width.
        scale: smallest and largest share of the image's area.

    Raises:
        ValueError: if `size` or `scale` is out of range.

    Source:
        torchvision's transform of that name; sides in the ratio 3:4 to 4:3, ten tries, then the
        centre; antialiased bilinear.

    Differs from it:
        The ratio is that of the view times 3:4 to 4:3, so that a view of 1:2 is stretched as
        little as a square one.

    Example:
        >>> import torch
        >>> crop = RandomResizedCrop(32, (0.2, 1.0))
        >>> numbers = crop.draw(Draws(0, 0, [7], 0))
        >>> crop.cut(torch.zeros(3, 80, 60, dtype=torch.uint8), numbers[0]).shape
        torch.Size([3, 32, 32])
    """

    def __init__(self, size: ImageSize, scale: tuple[float, float] = (0.2, 1.0)) -> None:
        checks.arguments(RandomResizedCrop.__init__, locals(), size=checks.whole)
        self.size = plain(size)
        self.scale = check_scale("scale", scale)

    def draw(self, draws: Draws) -> np.ndarray:
        # Where the box lies, then the tries: share of the area and logarithm of width / height.
        columns = [draws.uniform(), draws.uniform()]
        shape = math.log(self._ratio)
        for _ in range(_TRIES):
            columns += [draws.uniform(*self.scale), draws.uniform(*_SHAPES) + shape]
        return np.stack(columns, 1)

    def cut(self, image: Tensor, numbers: Sequence[float]) -> Tensor:
        top, left, height, width, _ = self.box(image.shape[1], image.shape[2], numbers)
        part = image[None, :, int(top) : int(top + height), int(left) : int(left + width)]
        part = part.contiguous(memory_format=torch.channels_last)  # which torch resizes fastest
        view: Tensor = F.interpolate(
            part, self.sides, mode="bilinear", align_corners=False, antialias=True
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
        boxes = np.stack([top, left, h, w, np.ones_like(top)], 1)
        boxes[~fits[chosen]] = self._centre(height, width)
        return boxes

    def _centre(self, height: int, width: int) -> Box:
        w = min(width, round(height * 4 / 3 * self._ratio))
        h = min(height, round(width * 4 / 3 / self._ratio))
        return Box((height - h) // 2, (width - w) // 2, h, w, True)

    @property
    def _ratio(self) -> float:
        """Width over height of a view."""
        return self.sides[1] / self.sides[0]


class CenterCrop(Frame):
    """The middle of the image, after its short side was resized.

    Args:
        size: the side of a view in pixels, or its height and width.
        resize: length of the short side before the crop; at least `size`. With a height and a
            width: the least of both, as CSS's ``cover``.
        keep_aspect: whether the long side is resized in proportion; else to `resize` too, which
            squeezes the whole image into a square, or into that height and width.
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
        size: ImageSize,
        *,
        resize: ImageSize,
        keep_aspect: bool = True,
        interpolation: Literal["bilinear", "bicubic"] = "bilinear",
    ) -> None:
        checks.arguments(CenterCrop.__init__, locals(), size=checks.whole, resize=checks.whole)
        self.size = plain(size)
        self.interpolation = interpolation
        if any(now < then for now, then in zip(sides(resize), self.sides, strict=True)):
            remedy = "" if isinstance(self.size, int) else "Give a height and a width."
            checks.refuse("resize", f"at least `size`={self.size}", resize, remedy)
        self.resize = plain(resize)
        self.keep_aspect = keep_aspect

    def draw(self, draws: Draws) -> np.ndarray:
        return np.empty((len(draws), 0))

    def cut(self, image: Tensor, numbers: Sequence[float]) -> Tensor:
        mode = TF.InterpolationMode(self.interpolation)
        resized = self._resized(image.shape[1], image.shape[2])
        if resized != list(image.shape[1:]):
            image = TF.resize(image, resized, mode, antialias=True)
        view: Tensor = TF.center_crop(image, list(self.sides))
        return view

    def box(self, height: int, width: int, numbers: Sequence[float]) -> Box:
        # What torchvision's resize and crop make of it, in pixels of the image before them.
        lengths, starts = [], []
        now = self._resized(height, width)
        for side, resized, size in zip((height, width), now, self.sides, strict=True):
            start = round((resized - size) / 2)
            lengths.append(size * side / resized)
            starts.append(start * side / resized)
        return Box(starts[0], starts[1], lengths[0], lengths[1], False)

    def _resized(self, height: int, width: int) -> list[int]:
        """The size of an H x W image before the crop."""
        tall, wide = sides(self.resize)
        if not self.keep_aspect:
            return [tall, wide]
        if height * wide <= width * tall:  # the height is what is short
            return [tall, width * tall // height]
        return [height * wide // width, wide]


def check_scale(name: str, scale: tuple[float, float]) -> tuple[float, float]:
    """Returns the smallest and the largest share of an image that a crop takes.

    Raises:
        ValueError: if they are no shares, or do not rise.
    """
    if not 0 < scale[0] <= scale[1] <= 1:
        checks.refuse(name, "such that 0 < low <= high <= 1", scale)
    return scale
