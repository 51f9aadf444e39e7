"""The interval of a difference on the same images or episodes, by resampling them.

Legend: N images, R resamples, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .samples import Sample

RESAMPLES = 10_000
_FEWEST = 1_000
_DRAWS = 10**7  # images drawn for one interval, at most
_FEW_VALUES = 128
_AT_ONCE = 2**22  # numbers
_SEED = 0


Drawn = dict[int, tuple[Sample, np.ndarray]]  # results in each resample, by identity


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


def paired_difference(a: Sample, b: Sample, values: Drawn | None = None) -> Paired:
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
        values: results of samples that were resampled before; those of `a` and `b` are added.

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
    values = {} if values is None else values
    drawn, p = _drawn(a, b, values)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Paired(float(low), float(high), p, len(drawn))


def paired_sum(
    samples: Sequence[Sample], weights: Sequence[float], values: Drawn | None = None
) -> Paired:
    """The percentile interval of a weighted sum of results on the same images, and its p-value.

    The images are drawn anew with replacement, the same for all. The p-value is that of
    t = sum / standard error with N - 1 degrees of freedom.

    Args:
        samples: of the same N images in the same order.
        weights: of each.
        values: see `paired_difference`.

    Example:
        >>> names = np.array(["a", "b", "c", "d"])
        >>> right = Sample(names, None, np.ones(4), None, 100.0, "images")
        >>> paired_sum([right, right, right], [1.0, 0.5, -0.5])
        Paired(low=100.0, high=100.0, p=0.125, resamples=10000)
    """
    values = {} if values is None else values
    drawn: np.ndarray = sum(  # type: ignore[assignment]
        weight * _resampled(sample, values) for sample, weight in zip(samples, weights, strict=True)
    )
    terms = zip(samples, weights, strict=True)
    observed = sum(weight * float(sample.value()[0]) for sample, weight in terms)
    p = _t_test(observed, float(drawn.std(ddof=1)), len(samples[0].names))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Paired(float(low), float(high), p, len(drawn))


def num_resamples(count: int) -> int:
    """R for N images: 10,000, fewer where there are very many."""
    return max(_FEWEST, min(RESAMPLES, _DRAWS // count))


def _drawn(a: Sample, b: Sample, values: Drawn) -> tuple[np.ndarray, float]:
    """Resampled differences ``(R,)``, and the p-value."""
    count = len(a.names)
    if a.denominators is not None or b.denominators is not None:
        drawn = _resampled(a, values) - _resampled(b, values)
        observed = float(a.value()[0] - b.value()[0])
        return drawn, _t_test(observed, float(drawn.std(ddof=1)), count)
    each = a.numerators - b.numerators  # (N,)
    steps, counts = np.unique(each, return_counts=True)
    if np.isin(steps, (-1.0, 0.0, 1.0)).all():
        p = _mcnemar(int((each > 0).sum()), int((each < 0).sum()))
    else:
        p = _t_test(float(each.mean()), _standard_error(each), count)
    if len(steps) > _FEW_VALUES:
        return _resampled(a, values) - _resampled(b, values), p
    generator = np.random.default_rng(_SEED)
    numbers = generator.multinomial(count, counts / count, size=RESAMPLES)  # (R, steps)
    return a.scale * (numbers @ steps) / count, p


def _resampled(sample: Sample, values: Drawn) -> np.ndarray:
    """The result of a sample in each resample ``(R,)``."""
    if id(sample) not in values:
        parts = [sample.value(times) for times in _draw(len(sample.names))]
        # The sample is kept, too: otherwise its identity could become that of another.
        values[id(sample)] = sample, np.concatenate(parts)
    return values[id(sample)][1]


@lru_cache(maxsize=1)  # results on sets of one size follow each other
def _draw(count: int) -> list[np.ndarray]:
    """How often each image is drawn, parts ``(r, N)`` of R rows."""
    generator, total = np.random.default_rng(_SEED), num_resamples(count)
    at_once = max(1, _AT_ONCE // count)
    parts = []
    for start in range(0, total, at_once):
        size = min(at_once, total - start)
        rows = generator.integers(count, size=(size, count), dtype=np.int32)
        rows += count * np.arange(size, dtype=np.int32)[:, None]
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
