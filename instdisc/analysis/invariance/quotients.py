"""Quotients of mean cosines over a base, with intervals over images.

Legend: N images, G strengths, r resamples.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc.metrics import Interval, bootstrap_interval

from ..inputs import FEWEST, class_rows, feature_rows
from .cosines import above_base, class_cosines, other_cosines
from .passes import StageCosines


class Quotient(NamedTuple):
    """A number that is computed from what is known of each image.

    Attributes:
        statistic: from the means of all images, and columns ``(r, N)``, to ``(r,)``.
        columns: each ``(N,)``.
    """

    statistic: Callable[..., Tensor]
    columns: Sequence[Tensor]

    @property
    def value(self) -> float:
        """Of all images."""
        return float(self._bound()(*(column[None] for column in self.columns)))

    def interval(self, seed: int) -> Interval:
        """95 % bootstrap interval over images."""
        return bootstrap_interval(self._bound(), self.columns, seed=seed)

    def _bound(self) -> Callable[..., Tensor]:
        means = [float(column.mean()) for column in self.columns]
        return functools.partial(self.statistic, means)


class StageQuotients(NamedTuple):
    """What a stage does not react to.

    Attributes:
        curves: of each transform, the invariance at G strengths.
        means: of each transform, the mean of its curve.
        of_class: of pairs of one class; ``None`` where there are none, or no two classes.
        base: mean cosine of different images.
    """

    curves: dict[str, list[float]]
    means: dict[str, Quotient]
    of_class: Quotient | None
    base: float


def stage_quotients(name: str, stage: StageCosines, labels: Tensor) -> StageQuotients:
    """From cosines to invariance.

    Args:
        name: of the stage's features, for messages.
        stage: what it makes of N images.
        labels: ``(N,)`` int64; -1 where unknown.

    Raises:
        ValueError: if there are fewer than 4 images, or all look the same.
    """
    units = feature_rows(name, stage.units)
    others = other_cosines(units)
    curves = {
        transform: above_base(cosines.mean(0), units, name).tolist()
        for transform, cosines in stage.curves.items()
    }
    means = {
        transform: Quotient(_above, [cosines.mean(1), others])
        for transform, cosines in stage.curves.items()
    }
    return StageQuotients(curves, means, _of_class(units, labels), float(others.mean()))


def _of_class(units: Tensor, labels: Tensor) -> Quotient | None:
    seen = labels[labels >= 0]
    if len(seen) < FEWEST or len(seen.unique()) < 2:
        return None
    positions, classes = class_rows("labels", labels, len(units))
    sums, counts = class_cosines(units[positions], classes)
    if not float(counts.sum()):
        return None
    return Quotient(_class_above, [sums, counts, other_cosines(units[positions])])


def _above(means: Sequence[float], cosines: Tensor, others: Tensor) -> Tensor:
    """(c - base) / (1 - base).

    A resample holds images twice, whose cosine is 1; so its base is that of all images, moved by
    twice what the mean over images of their mean cosines moved: the first order of a mean over
    pairs.
    """
    base = 2 * others.mean(1) - means[1]
    return (cosines.mean(1) - base) / (1 - base)


def _class_above(means: Sequence[float], sums: Tensor, counts: Tensor, others: Tensor) -> Tensor:
    """The same of pairs of one class, whose mean is of first order, too.

    A resample without an image that has another of its class counts as all images do.
    """
    ratio = means[0] / means[1]
    pairs = torch.where(counts.sum(1) > 0, sums.sum(1) / counts.sum(1).clamp(min=1), ratio)
    base = 2 * others.mean(1) - means[2]
    return (2 * pairs - ratio - base) / (1 - base)
