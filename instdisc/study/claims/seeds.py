"""A mean over seeds with its interval, in which the test images count, too.

Legend: S seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance
from typing import NamedTuple


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


def over_seeds(
    values: Sequence[float], image_error: float, *, margin: float, level: float
) -> Estimate:
    """Student's interval of a mean over seeds, with an error that all seeds share.

        Q +- t(S - 1) sqrt(var / S + e^2)

    Args:
        values: S of them, Q_s.
        image_error: e.
        margin: with which the mean is compared.
        level: of what lies outside, on both sides together.

    Returns:
        Without an interval for one seed.

    Example:
        >>> estimate = over_seeds([1.0, 2.0, 3.0], 0.0, margin=0.0, level=0.05)
        >>> round(estimate.value, 2), round(estimate.low, 2), round(estimate.p, 3)
        (2.0, -0.48, 0.074)
    """
    from scipy.stats import t as students  # slow to import

    value = fmean(values)
    freedom = len(values) - 1
    if not freedom:
        return Estimate(value, None, None, None)
    error = math.sqrt(variance(values) / len(values) + image_error**2)
    half = float(students.ppf(1 - level / 2, freedom)) * error
    if error > 0:
        p = 2 * float(students.sf(abs(value - margin) / error, freedom))
    else:  # the limit
        p = float(value == margin)
    return Estimate(value, value - half, value + half, p)
