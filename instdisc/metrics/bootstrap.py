"""Confidence intervals over a test set by resampling it.

Legend: N images, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_VALUES = 2**22  # resampled values at once


class Interval(NamedTuple):
    """The ends of a confidence interval."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of what lies between the ends."""
        return (self.high - self.low) / 2


def bootstrap_interval(
    statistic: Callable[..., Tensor],
    columns: Sequence[Tensor],
    *,
    level: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a number that is computed from the images of a test set.

    The set is drawn anew R times, N images with replacement; the interval cuts off equal shares
    of the R numbers on both sides. It says how much another test set of this size would change
    the number, and nothing about another training.

    Args:
        statistic: from resampled columns ``(r, N)`` to numbers ``(r,)``, like those of this
            package.
        columns: what is known of each image, each ``(N,)``, in one order.
        level: share of the numbers inside.
        num_resamples: R.
        seed: of the resampling.

    Raises:
        ValueError: if there is no image, the columns differ in length, `level` lies outside
            (0, 1), or `num_resamples` is not positive.

    Source:
        Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979); the percentile interval.

    Example:
        >>> from instdisc.metrics import accuracy
        >>> labels = torch.zeros(100, dtype=torch.int64)
        >>> predictions = torch.arange(100) % 2
        >>> bootstrap_interval(accuracy, [predictions, labels])
        Interval(low=0.4, high=0.6)
    """
    lengths = [len(column) for column in columns]
    if not lengths or len(set(lengths)) > 1 or not lengths[0]:
        raise ValueError(f"`columns` must be of one length of at least 1, got lengths {lengths}")
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie in (0, 1), got {level}")
    if num_resamples < 1:
        raise ValueError(f"`num_resamples` must be positive, got {num_resamples}")
    count = lengths[0]
    generator = torch.Generator().manual_seed(seed)
    columns = [column.cpu() for column in columns]
    found: list[Tensor] = []
    at_once = max(1, _VALUES // count)
    for start in range(0, num_resamples, at_once):
        size = (min(at_once, num_resamples - start), count)
        rows = torch.randint(count, size, generator=generator)  # (r, N)
        found.append(statistic(*(column[rows] for column in columns)).double())
    tail = (1 - level) / 2
    low, high = torch.cat(found).quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64))
    return Interval(float(low), float(high))
