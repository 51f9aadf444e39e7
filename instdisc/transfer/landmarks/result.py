"""What a test of landmarks gives.

Legend: B batch, N images, P points.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from instdisc.checks import checked_call
from instdisc.data import LandmarkLayout
from instdisc.metrics import ImageRows, LandmarkErrors
from instdisc.metrics.rows import empty_rows
from instdisc.types import LandmarkBatch

_MOST_SHOWN = 16


@checked_call()
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


class PointTable(nn.Module):
    """Gathers the points of a test, batch by batch.

    Args:
        layout: what the points are.

    Attributes:
        shown: images for pictures, in equal steps over the set.
    """

    def __init__(self, layout: LandmarkLayout) -> None:
        super().__init__()
        self._layout = layout
        self._errors = LandmarkErrors()
        self._rows = ImageRows(
            {
                "points": empty_rows(2 * len(layout.names), torch.float32),
                "positions": empty_rows(None, torch.int64),
            }
        )
        self._show_every = 1
        self.shown: list[Shown] = []

    def begin(self, num_images: int) -> None:
        """A test of so many images begins."""
        self.shown, self._show_every = [], -(-num_images // _MOST_SHOWN)

    def update(self, predicted: Tensor, points: Tensor, batch: LandmarkBatch) -> None:
        """Takes the points ``(B, P, 2)`` of a batch, both in pixels of the images."""
        distances = self._layout.distance(points, batch.visible)
        self._errors.update(predicted, points, batch.visible, distances, batch.indices)
        self._rows.update(batch.indices, points=predicted.flatten(1), positions=batch.indices)
        columns = (batch.indices, predicted, points, batch.visible)
        chosen = batch.indices % self._show_every == 0
        rows = zip(*(column[chosen].cpu() for column in columns), strict=True)
        self.shown += [Shown(int(position), *row) for position, *row in rows]

    def reset(self) -> None:
        """Forgets the rows, not what is shown."""
        self._errors.reset()
        self._rows.reset()

    def compute(self) -> LandmarkResult:
        """The result, of all processes."""
        errors, table = self._errors.compute().cpu(), self._rows.compute()
        points = table["points"].unflatten(1, (-1, 2)).cpu()
        positions = table["positions"].cpu()
        return LandmarkResult(errors, points, positions, self._errors.left_out)
