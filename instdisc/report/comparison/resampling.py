"""The interval of a difference on the same images or episodes, by resampling them.

Legend: N images, R resamples, C classes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .samples import Sample

RESAMPLES = 10_000
_FEWEST = 1_000
_DRAWS = 2 * 10**7  # images drawn for one interval, at most
_FEW_VALUES = 128
_AT_ONCE = 2**22  # numbers
_SEED = 0


class Paired(NamedTuple):
    """A difference on the same images.

    Attributes:
        low: lower end of its 95 % interval.
        high: upper end.
        p: two-sided.
        resamples: R.
    """

    low: float
    high: float
    p: float
    resamples: int


def paired_difference(a: Sample, b: Sample, values: dict[int, np.ndarray] | None = None) -> Paired:
    """The percentile interval of the first result minus the second, and its p-value.

    The images are drawn anew with replacement, the same for both. Of a mean over images all that
    counts are the differences of single images; where these take few values, as of right and
    wrong answers, the numbers of each are drawn at once.

    The p-value is McNemar's, exact, where every difference is 1, 0 or -1: under the hypothesis
    that both are alike, each image that only one gets right is a toss of a coin. Elsewhere it is
    that of t = difference / standard error with N - 1 degrees of freedom; it is never below
    2^(1 - N), the least of a test that flips signs.

    Args:
        a: N images.
        b: the same images in the same order.
        values: of samples that were resampled before, by their identity; more are added.

    Source:
        Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979), percentile interval;
        McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions"
        (1947).

    Example:
        >>> names = np.array(["a", "b", "c", "d"])
        >>> right = Sample(names, None, np.ones(4), None, 100.0, "images")
        >>> paired_difference(right, right)
        Paired(low=0.0, high=0.0, p=1.0, resamples=10000)
        >>> paired_difference(right, right._replace(numerators=np.zeros(4)))
        Paired(low=100.0, high=100.0, p=0.125, resamples=10000)
    """
    if _equal(a.numerators, b.numerators) and _equal(a.denominators, b.denominators):
        return Paired(0.0, 0.0, 1.0, num_resamples(len(a.names)))
    if a.denominators is None and b.denominators is None:
        each = a.numerators - b.numerators  # (N,)
        drawn = a.scale * _resampled_means(each)
        if np.isin(each, (-1.0, 0.0, 1.0)).all():
            p = _mcnemar(int((each > 0).sum()), int((each < 0).sum()))
        else:
            p = _t_test(float(each.mean()), _standard_error(each), len(each))
    else:
        values = {} if values is None else values
        for sample in (a, b):
            if id(sample) not in values:
                parts = [sample.value(times) for times in _draw(len(sample.names))]
                values[id(sample)] = np.concatenate(parts)
        drawn = values[id(a)] - values[id(b)]
        observed = float(a.value()[0] - b.value()[0])
        p = _t_test(observed, float(drawn.std(ddof=1)), len(a.names))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Paired(float(low), float(high), p, len(drawn))


def num_resamples(count: int) -> int:
    """R for N images: 10,000, fewer where there are very many."""
    return max(_FEWEST, min(RESAMPLES, _DRAWS // count))


def _resampled_means(each: np.ndarray) -> np.ndarray:
    """Of R resamples ``(R,)`` the mean of ``(N,)`` values."""
    count = len(each)
    values, counts = np.unique(each, return_counts=True)
    if len(values) <= _FEW_VALUES:
        generator = np.random.default_rng(_SEED)
        numbers = generator.multinomial(count, counts / count, size=RESAMPLES)  # (R, values)
        return np.asarray(numbers @ values / count)
    return np.concatenate([times @ each / count for times in _draw(count)])


@lru_cache(maxsize=1)  # results on sets of one size follow each other
def _draw(count: int) -> list[np.ndarray]:
    """How often each image is drawn, parts ``(r, N)`` of R rows."""
    generator, total = np.random.default_rng(_SEED), num_resamples(count)
    at_once = max(1, _AT_ONCE // count)
    parts = []
    for start in range(0, total, at_once):
        size = min(at_once, total - start)
        rows = generator.integers(count, size=(size, count))
        rows += count * np.arange(size)[:, None]
        times = np.bincount(rows.ravel(), minlength=size * count).reshape(size, count)
        parts.append(times.astype(np.float32))
    return parts


def _mcnemar(better: int, worse: int) -> float:
    from scipy.stats import binom  # slow to import

    return min(1.0, 2 * float(binom.cdf(min(better, worse), better + worse, 0.5)))


def _t_test(difference: float, error: float, count: int) -> float:
    from scipy.stats import t as students  # slow to import

    if difference == 0 or count < 2:
        return 1.0
    tail = float(students.sf(abs(difference) / error, count - 1)) if error > 0 else 0.0
    return min(1.0, max(2 * tail, 2.0 ** (1 - count)))


def _standard_error(each: np.ndarray) -> float:
    return float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else 0.0


def _equal(a: object, b: object) -> bool:
    if a is None or b is None:
        return a is b
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    from scipy import sparse  # slow to import

    both = sparse.issparse(a) and sparse.issparse(b)
    return both and a.shape == b.shape and not (a != b).nnz  # type: ignore[attr-defined]
