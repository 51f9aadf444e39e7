"""Confidence intervals in closed form: of a share, and of a mean over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

from instdisc import checks
from instdisc.checks import checked_call


class Interval(NamedTuple):
    """The ends of a confidence interval."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of what lies between the ends."""
        return (self.high - self.low) / 2


@checked_call()
def wilson_interval(successes: float, count: int, level: float = 0.95) -> Interval:
    """Interval of a share of independent trials, such as an accuracy over test images.

    With p = successes / count and z the normal quantile, the shares q that ``|p - q| <= z
    sqrt(q (1 - q) / n)`` does not contradict:

        (p + z^2 / 2n  -+  z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    It lies within [0, 1] and has a width where all trials agree, which ``p +- z sqrt(p (1 - p) /
    n)`` (Wald) has not.

    Args:
        successes: how many trials succeeded; not necessarily a whole number, as where an accuracy
            is a mean.
        count: n.
        level: chance that such an interval holds the true share, about.

    Raises:
        TypeError: if an argument is of another kind.
        ValueError: if `count` is below 1, `successes` outside 0 to `count`, or `level` outside
            (0, 1).

    Source:
        Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927);
        without a correction for continuity.

    Example:
        >>> low, high = wilson_interval(20, 20)
        >>> round(low, 4), high
        (0.8389, 1.0)
    """
    checks.whole("count", count)
    checks.finite("successes", successes, at_least=0, at_most=count)
    check_level(level)
    z, p = NormalDist().inv_cdf((1 + level) / 2), successes / count
    spread = z**2 / count
    centre = p + spread / 2
    half = z * math.sqrt(p * (1 - p) / count + spread / (4 * count))
    # Rounding must not move the ends that are exact.
    low = 0.0 if successes == 0 else (centre - half) / (1 + spread)
    high = 1.0 if successes == count else (centre + half) / (1 + spread)
    return Interval(low, high)


@checked_call()
def t_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    """Interval of the mean of independent values, such as the results of several seeds.

    ``mean -+ t s / sqrt(n)`` with the standard deviation s of n - 1 degrees of freedom and
    Student's quantile t, which for few seeds is far above the normal one: 4.30 for three.

    Args:
        values: n of them, at least 2.
        level: chance that such an interval holds the true mean, for normal values.

    Raises:
        TypeError: if a value is no number.
        ValueError: if there are fewer than 2, one is not finite, or `level` is outside (0, 1).

    Source:
        "Student", "The Probable Error of a Mean" (1908).

    Example:
        >>> low, high = t_interval([71.2, 72.0, 70.6])
        >>> round(low, 2), round(high, 2)
        (69.52, 73.01)
    """
    from scipy.stats import t as students  # slow to import

    values = [float(checks.finite("values", value)) for value in values]
    check_level(level)
    if len(values) < 2:
        checks.refuse("values", "at least 2", values, "One seed says nothing about the spread.")
    quantile = float(students.ppf((1 + level) / 2, len(values) - 1))
    mean, half = fmean(values), quantile * stdev(values) / math.sqrt(len(values))
    return Interval(mean - half, mean + half)


def check_level(level: float) -> None:
    """Refuses what is no share of a distribution.

    Raises:
        TypeError: if it is no number.
        ValueError: if it lies outside (0, 1).
    """
    checks.finite("level", level, above=0, below=1)
