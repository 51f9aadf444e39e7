"""A mean over seeds with its interval, in which the test images count, too.

Legend: M methods, S seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A quantity.

    Attributes:
        value: of it.
        low: lower end of its interval; ``None`` if there is none.
        high: upper end.
        p: two-sided, that it equals the margin; ``None`` if there is no interval.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None


class Spread(NamedTuple):
    """How much a quantity differs from seed to seed.

    Attributes:
        variance: of the quantity of one seed.
        freedom: degrees of freedom of that estimate.
    """

    variance: float
    freedom: int


def own_spread(values: Sequence[float]) -> Spread:
    """Of the quantity's own values, of two seeds or more."""
    return Spread(variance(values), len(values) - 1)


def residual_spread(table: np.ndarray) -> Spread:
    """Of a value of one method, from the values of several: what neither method nor seed explains.

        r_ms = x_ms - mean_s - mean_m + mean,   variance = sum r^2 / ((M - 1) (S - 1))

    A sum of values of different methods, weighted w_m, has this variance times the sum of w_m^2.

    Args:
        table: ``(M, S)``, of two methods and two seeds or more.

    Source:
        The residual of a two-way layout without repeats (Fisher); it supposes that all methods
        differ as much from seed to seed.

    Example:
        >>> residual_spread(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]]))
        Spread(variance=1.5, freedom=2)
    """
    residuals = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    return Spread(float((residuals**2).sum() / freedom), freedom)


def over_seeds(
    values: Sequence[float],
    image_error: float,
    *,
    spread: Spread | None,
    margin: float,
    level: float,
) -> Estimate:
    """Student's interval of a mean over seeds, with an error that all seeds share.

        Q +- t(f) sqrt(v / S + e^2),   f = (v / S + e^2)^2 / ((v / S)^2 / f_v)

    Args:
        values: S of them, Q_s.
        image_error: e, whose degrees of freedom are many: it is resampled over images.
        spread: v and f_v; ``None``: nothing tells how seeds differ.
        margin: with which the mean is compared.
        level: of what lies outside, on both sides together.

    Returns:
        Without an interval for one seed.

    Source:
        Satterthwaite, "An Approximate Distribution of Estimates of Variance Components" (1946).

    Example:
        >>> values = [1.0, 2.0, 3.0]
        >>> estimate = over_seeds(values, 0.0, spread=own_spread(values), margin=0.0, level=0.05)
        >>> round(estimate.value, 2), round(estimate.low, 2), round(estimate.p, 3)
        (2.0, -0.48, 0.074)
    """
    from scipy.stats import t as students  # slow to import

    value = fmean(values)
    if spread is None or len(values) < 2:
        return Estimate(value, None, None, None)
    of_seeds = spread.variance / len(values)
    square = of_seeds + image_error**2
    error = math.sqrt(square)
    freedom = spread.freedom * (square / of_seeds) ** 2 if of_seeds > 0 else math.inf
    half = float(students.ppf(1 - level / 2, freedom)) * error
    if error > 0:
        p = 2 * float(students.sf(abs(value - margin) / error, freedom))
    else:  # the limit
        p = float(value == margin)
    return Estimate(value, value - half, value + half, p)
