"""How a view is cut out of an image.

Legend: H x W size of an image, S size of a view.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional as TF


class Frame(ABC):
    """How a view is cut out of the image and brought to its size.

    Attributes:
        size: S, the side of the square view in pixels.
    """

    size: int

    @abstractmethod
    def cut(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """A ``(3, S, S)`` uint8 view of a ``(3, H, W)`` uint8 image."""


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
        >>> image = torch.zeros(3, 80, 60, dtype=torch.uint8)
        >>> crop.cut(image, np.random.default_rng(0)).shape
        torch.Size([3, 32, 32])
    """

    def __init__(self, size: int, scale: tuple[float, float] = (0.2, 1.0)) -> None:
        self.size = _check_size(size)
        if not 0 < scale[0] <= scale[1] <= 1:
            raise ValueError(f"`scale` must satisfy 0 < low <= high <= 1, got {scale}")
        self.scale = scale

    def cut(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        top, left, height, width = self.box(image.shape[1], image.shape[2], rng)
        view: Tensor = TF.resized_crop(
            image, top, left, height, width, [self.size, self.size], antialias=True
        )
        return view

    def box(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """The part to cut from an image of that size, as ``(top, left, height, width)``."""
        for _ in range(10):
            area = height * width * rng.uniform(*self.scale)
            ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
            w, h = round(float(np.sqrt(area * ratio))), round(float(np.sqrt(area / ratio)))
            if 0 < w <= width and 0 < h <= height:
                return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
        w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
        return (height - h) // 2, (width - w) // 2, h, w


class CenterCrop(Frame):
    """The middle of the image, after its short side was resized.

    Args:
        size: S in pixels.
        resize: length of the short side before the crop; at least `size`.

    Raises:
        ValueError: if `size` is not positive or `resize` is below it.

    Example:
        >>> import torch
        >>> image = torch.zeros(3, 80, 60, dtype=torch.uint8)
        >>> CenterCrop(224, resize=256).cut(image, np.random.default_rng(0)).shape
        torch.Size([3, 224, 224])
    """

    def __init__(self, size: int, *, resize: int) -> None:
        self.size = _check_size(size)
        if resize < size:
            raise ValueError(f"`resize` must be at least `size`={size}, got {resize}")
        self.resize = resize

    def cut(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        if min(image.shape[1:]) != self.resize:
            image = TF.resize(image, [self.resize], antialias=True)
        view: Tensor = TF.center_crop(image, [self.size, self.size])
        return view


def _check_size(size: int) -> int:
    if size < 1:
        raise ValueError(f"`size` must be a positive number of pixels, got {size}")
    return size
