"""Intervals and p-values of single differences against naive loops, scipy and closed forms."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from instdisc.metrics import wilson_interval
from instdisc.report.comparison.pairs import contrast, holm
from instdisc.report.comparison.resampling import paired_difference
from instdisc.report.comparison.samples import Sample, align
from instdisc.report.pooling import pool
from instdisc.types import Record

RNG = np.random.default_rng(5)
NO_FILES = ("no predictions were kept", "no predictions were kept")


def sample(values, names=None, truth=None):
    values = np.asarray(values, dtype=float)
    names = np.arange(len(values)).astype(str) if names is None else np.asarray(names)
    return Sample(names, truth, values, None, 100.0, "images")


def cell(*values, half=None, seeds=None, n=100):
    ends = {} if half is None else {"low": values[0] - half, "high": values[0] + half}
    seeds = range(len(values)) if seeds is None else seeds
    return pool(
        [
            Record("knn", "d", "top-1", v, seed=s, n=n, **ends)
            for v, s in zip(values, seeds, strict=True)
        ]
    )


def naive_means(each, resamples, seed=0):
    rng = np.random.default_rng(seed)
    drawn = [np.mean(each[rng.integers(len(each), size=len(each))]) for _ in range(resamples)]
    return np.quantile(drawn, [0.025, 0.975])


@pytest.mark.parametrize("kind", ["hits", "continuous"])
def test_the_interval_is_that_of_a_naive_loop(kind):
    count = 300
    a, b = RNG.random(count), RNG.random(count)
    if kind == "hits":
        a, b = (a < 0.7).astype(float), (b < 0.6).astype(float)
    pair = paired_difference(sample(a), sample(b))
    low, high = 100 * naive_means(a - b, 4000)
    error = 100 * (a - b).std() / math.sqrt(count)
    assert (pair.low, pair.high) == pytest.approx((low, high), abs=0.12 * error)
    # And the central limit: for a mean both ends are 1.96 standard errors away.
    difference = 100 * (a - b).mean()
    ends = difference - 1.96 * error, difference + 1.96 * error
    assert (pair.low, pair.high) == pytest.approx(ends, abs=0.12 * error)


def test_a_mean_of_ratios_is_that_of_a_naive_loop():
    count, classes = 60, 4
    parts = []
    for _ in range(2):
        below = RNG.integers(1, 30, size=(count, classes)).astype(float)
        below[:, 3] = 0
        below[:2, 3] = 5.0  # a class that many resamples do not hold
        above = np.floor(below * RNG.random((count, classes)))
        parts.append(Sample(np.arange(count).astype(str), None, above, below, 100.0, "images"))
    a, b = parts

    def score(part, rows):
        sums = part.numerators[rows].sum(0), part.denominators[rows].sum(0)
        return 100 * np.mean([x / y for x, y in zip(*sums, strict=True) if y > 0])

    rng, drawn = np.random.default_rng(1), []
    for _ in range(3000):
        rows = rng.integers(count, size=count)
        drawn.append(score(a, rows) - score(b, rows))
    pair = paired_difference(a, b)
    tolerance = 0.15 * np.std(drawn)
    assert (pair.low, pair.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=tolerance)
    assert a.value()[0] == pytest.approx(score(a, np.arange(count)))
    # A class that a resample does not hold counts for nothing.
    without, rows = np.ones((1, count)), np.arange(2, count)
    without[0, :2] = 0
    assert a.value(without)[0] == pytest.approx(score(a, rows))


def test_right_and_wrong_answers_have_mcnemars_exact_p():
    a = np.array([1.0] * 9 + [0.0] * 2 + [1.0] * 30)
    b = np.array([0.0] * 9 + [1.0] * 2 + [1.0] * 30)
    assert paired_difference(sample(a), sample(b)).p == pytest.approx(
        stats.binomtest(2, 11, 0.5).pvalue
    )


def test_other_values_have_the_p_of_a_paired_t_test():
    a, b = RNG.random(40), RNG.random(40) + 0.1
    assert paired_difference(sample(a), sample(b)).p == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_equal_predictions_tie_exactly_and_constant_differences_have_no_width():
    a = RNG.random(50)
    assert paired_difference(sample(a), sample(a.copy()))[:3] == (0.0, 0.0, 1.0)
    # Two images say little, however clear their answer.
    two = paired_difference(sample([0.75, 0.5]), sample([0.5, 0.25]))
    assert two[:3] == (25.0, 25.0, 0.5)


def test_a_paired_interval_covers_the_true_difference():
    # Correlated hits: hard images are hard for both. 95 % of 120 intervals, give or take.
    rng, covered, runs, count = np.random.default_rng(7), 0, 120, 150
    for _ in range(runs):
        ease = rng.random(count)
        a, b = ((rng.random(count) < p).astype(float) for p in (ease, 0.8 * ease))
        pair = paired_difference(sample(a), sample(b))
        covered += pair.low <= 10.0 <= pair.high
    assert 0.90 <= covered / runs <= 0.99


def test_images_are_paired_by_name():
    a = sample([1, 0, 1, 0], names=["a", "b", "c", "d"], truth=np.array([0, 1, 2, 3]))
    order = [2, 0, 3, 1]
    b = a.taken(np.array(order))
    aligned = align(a, b)
    assert aligned.names.tolist() == a.names.tolist()
    assert paired_difference(a, aligned)[:3] == (0.0, 0.0, 1.0)
    assert align(a, a) is a


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (sample([1, 0, 1], names=["a", "b", "c"]), "not the same images"),
        (sample([1, 0, 1, 0], names=["a", "b", "c", "e"]), "not the same images"),
        (
            sample([1, 0, 1, 0], names=["d", "a", "b", "c"], truth=np.array([9, 0, 1, 2])),
            "not the same labels",
        ),
    ],
)
def test_other_images_or_labels_are_not_paired(other, why):
    a = sample([1, 0, 1, 0], names=["a", "b", "c", "d"], truth=np.array([0, 1, 2, 3]))
    assert align(a, other) == why


def test_names_that_repeat_are_paired_in_their_order_alone():
    a = sample([1, 0, 1], names=["a", "a", "b"])
    assert align(a, sample([0, 0, 0], names=["a", "a", "b"])).names.tolist() == ["a", "a", "b"]
    assert align(a, sample([0, 0, 0], names=["a", "b", "a"])) == "several images have the same name"


def test_seeds_are_paired_where_both_have_the_same():
    a, b = [71.0, 72.5, 70.0], [69.5, 70.0, 69.5]
    paired = contrast(cell(*a), cell(*b), NO_FILES)
    reference = stats.ttest_rel(a, b)
    ends = reference.confidence_interval(0.95)
    assert (paired.low, paired.high, paired.p) == pytest.approx((*ends, reference.pvalue))
    assert paired.how == "t, paired over 3 seeds"
    # The order of the records says nothing: the seeds do.
    turned = contrast(cell(*a), cell(*b[::-1], seeds=[2, 1, 0]), NO_FILES)
    assert turned[:3] == pytest.approx(paired[:3])


def test_other_seeds_have_welchs_interval():
    a, b = [71.0, 72.5, 70.0], [69.5, 70.0, 66.0, 69.0]
    welch = contrast(cell(*a), cell(*b), NO_FILES)
    reference = stats.ttest_ind(a, b, equal_var=False)
    ends = reference.confidence_interval(0.95)
    assert (welch.low, welch.high, welch.p) == pytest.approx((*ends, reference.pvalue))


def test_the_same_difference_for_every_seed_is_no_proof():
    same = contrast(cell(71.0, 72.0, 73.0), cell(70.0, 71.0, 72.0), NO_FILES)
    assert same[:3] == (1.0, 1.0, 0.25)


def test_intervals_of_both_add_in_squares():
    unpaired = contrast(cell(70.0, half=3.0), cell(60.0, half=4.0), NO_FILES)
    assert (unpaired.low, unpaired.high) == pytest.approx((5.0, 15.0))
    z = NormalDist().inv_cdf(0.975)
    assert unpaired.p == pytest.approx(2 * stats.norm.sf(10 / (5 / z)))
    assert unpaired.how == "from the intervals of both, not paired: no predictions were kept"
    # Sides of different length: Newcombe (1998), method 10, first example: 56/70 - 48/80.
    a, b = (
        pool(
            [
                Record(
                    "t", "d", "m", 100 * hits / n, *(100 * end for end in wilson_interval(hits, n))
                )
            ]
        )
        for hits, n in [(56, 70), (48, 80)]
    )
    newcombe = contrast(a, b, NO_FILES)
    assert (newcombe.low, newcombe.high) == pytest.approx((5.24, 33.39), abs=0.005)


def test_without_an_interval_there_is_no_p():
    none = contrast(cell(70.0), cell(60.0, half=1.0), NO_FILES)
    assert none[:3] == (None, None, None)
    mixed = contrast(cell(70.0, 71.0, 72.0), cell(60.0, half=1.0), NO_FILES)
    assert mixed.low > 0
    assert mixed.how.endswith("3 seeds against 1 seed")


def test_holm_is_a_step_down_loop():
    values = dict(enumerate(RNG.random(12) ** 3))
    adjusted = holm(values)
    # By its definition: reject the smallest while p_(k) <= level / (m - k + 1).
    for level in (0.01, 0.05, 0.2, 0.6):
        rejected = set()
        for k, key in enumerate(sorted(values, key=values.get)):
            if values[key] > level / (len(values) - k):
                break
            rejected.add(key)
        assert {key for key, p in adjusted.items() if p <= level} == rejected
    assert holm({}) == {}
