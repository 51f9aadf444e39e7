"""Sizes of views: the side of a square, or height and width."""

from __future__ import annotations

import math
from collections.abc import Callable

from instdisc.types import ImageSize


def sides(size: ImageSize) -> tuple[int, int]:
    """Height and width.

    Example:
        >>> sides(32), sides((32, 64))
        ((32, 32), (32, 64))
    """
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def plain(size: ImageSize) -> ImageSize:
    """The size as records and checkpoints hold it: one number for a square, else a tuple.

    Example:
        >>> plain((32, 32)), plain([32, 64])
        (32, (32, 64))
    """
    height, width = sides(size)
    return int(height) if height == width else (int(height), int(width))


def scaled(size: ImageSize, factor: float, rounded: Callable[[float], int] = round) -> ImageSize:
    """A size times a factor, in whole pixels.

    Example:
        >>> scaled(224, 8 / 7), scaled((224, 112), 8 / 7)
        (256, (256, 128))
    """
    height, width = sides(size)
    return plain((rounded(height * factor), rounded(width * factor)))


def mean_side(size: ImageSize) -> float:
    """The side of the square of the same area.

    Example:
        >>> mean_side(224), mean_side((50, 200))
        (224.0, 100.0)
    """
    height, width = sides(size)
    return math.sqrt(height * width)
