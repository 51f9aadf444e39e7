"""What a test of landmarks gives.

Legend: N images, P points.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class LandmarkResult(NamedTuple):
    """What a test gave, each image once, in the order of the set.

    Attributes:
        errors: ``(N, P)`` float64 over the distance between the eyes; NaN where a point does not
            count.
        points: ``(N, P, 2)`` float32 predicted x, y in pixels of the images.
        positions: ``(N,)`` int64 of the images in the test set.
        left_out: images whose error cannot be measured, since no point of an eye is visible.
    """

    errors: Tensor
    points: Tensor
    positions: Tensor
    left_out: int


class Shown(NamedTuple):
    """A test image for a picture; points ``(P, 2)`` in its pixels."""

    position: int
    predicted: Tensor
    points: Tensor
    visible: Tensor
