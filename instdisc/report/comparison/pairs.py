"""The difference of two methods in one result, by the narrowest interval that is right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from ..pooling import Pooled
from .resampling import Drawn, paired_difference
from .samples import Sample, align

_Z95 = NormalDist().inv_cdf(0.975)


class Contrast(NamedTuple):
    """The first value minus the second, as the records have them.

    Attributes:
        low: lower end of its 95 % interval; ``None`` if there is none.
        high: upper end.
        p: two-sided; ``None`` if there is no interval.
        n: images, episodes or seeds; 0 if unknown.
        how: what the interval is.
    """

    low: float | None
    high: float | None
    p: float | None
    n: int
    how: str


def contrast(
    a: Pooled,
    b: Pooled,
    samples: tuple[Sample | str, Sample | str],
    values: Drawn | None = None,
) -> Contrast:
    """The difference of two cells of one result.

    - Several seeds of both: a t interval over the differences of the seeds where both have the
      same seeds, else Welch's.
    - One value of each: the paired bootstrap, if the predictions of both were kept for the same
      images.
    - Else from the intervals of both, as if they were independent: too wide for methods that were
      tested on the same images, and never too narrow for these.

    Args:
        a: of the first method.
        b: of the second.
        samples: of the single values, or why there is none.
        values: see `paired_difference`.
    """
    several = [len(cell.records) > 1 and not cell.agree for cell in (a, b)]
    if all(several):
        return _over_seeds(a, b)
    if any(several):
        return _unpaired(a, b, f"{a.over} against {b.over}".replace("1 seeds", "1 seed"))
    first, second = samples
    if isinstance(first, str) or isinstance(second, str):
        return _unpaired(a, b, first if isinstance(first, str) else str(second))
    aligned = align(first, second)
    if isinstance(aligned, str):
        return _unpaired(a, b, aligned)
    low, high, p, resamples = paired_difference(first, aligned, values)
    count, units = len(first.names), first.units
    how = f"paired bootstrap over {count:,} {units}, {resamples:,} resamples"
    return Contrast(low, high, p, count, how)


def _over_seeds(a: Pooled, b: Pooled) -> Contrast:
    from scipy import stats  # slow to import

    first, second = ({r.seed: r.value for r in cell.records} for cell in (a, b))
    if first.keys() == second.keys():
        each = np.array([first[seed] - second[seed] for seed in first])
        error, freedom = float(each.std(ddof=1)) / math.sqrt(len(each)), float(len(each) - 1)
        how, least = f"t, paired over {a.over}", 2.0 ** (1 - len(each))
        n = len(each)
    else:
        parts = [float(np.var(cell.values, ddof=1)) / len(cell.records) for cell in (a, b)]
        sizes = [len(cell.records) for cell in (a, b)]
        squares = sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
        error, freedom = math.sqrt(sum(parts)), sum(parts) ** 2 / squares
        how, least, n = f"Welch's t over {a.over} and {b.over}", 0.0, min(sizes)
    difference = a.value - b.value
    if error == 0:  # the same difference for every seed
        return Contrast(difference, difference, least if difference else 1.0, n, how)
    half = float(stats.t.ppf(0.975, freedom)) * error
    p = 2 * float(stats.t.sf(abs(difference) / error, freedom))
    return Contrast(difference - half, difference + half, p, n, how)


def _unpaired(a: Pooled, b: Pooled, why: str) -> Contrast:
    """Newcombe's interval from the intervals of both, whose sides may differ in length."""
    n = min(a.records[0].n, b.records[0].n)
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Contrast(None, None, None, n, f"no interval: {why}, and one has none of its own")
    difference = a.value - b.value
    # An interval of percentiles need not hold the value.
    below = math.hypot(max(0.0, a.value - a.low), max(0.0, b.high - b.value))
    above = math.hypot(max(0.0, a.high - a.value), max(0.0, b.value - b.low))
    toward_zero = below if difference > 0 else above
    if difference == 0:
        p = 1.0
    elif toward_zero == 0:
        p = 0.0
    else:
        p = 2 * NormalDist().cdf(-_Z95 * abs(difference) / toward_zero)
    how = f"from the intervals of both, not paired: {why}"
    return Contrast(difference - below, difference + above, p, n, how)


def holm(values: Mapping[int, float]) -> dict[int, float]:
    """P-values after Holm's correction for how many there are.

    Sorted from the least, p_(i) of m becomes ``max over j <= i of min(1, (m - j + 1) p_(j))``.

    Args:
        values: by any key.

    Source:
        Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979).

    Example:
        >>> holm({0: 0.01, 1: 0.04, 2: 0.03})
        {0: 0.03, 2: 0.06, 1: 0.06}
    """
    adjusted: dict[int, float] = {}
    highest = 0.0
    for place, key in enumerate(sorted(values, key=lambda key: values[key])):
        highest = max(highest, min(1.0, (len(values) - place) * values[key]))
        adjusted[key] = highest
    return adjusted
