"""Ranks, gains and the verdict of a comparison, against scipy and naive loops."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from instdisc.report import compare
from instdisc.types import Record


def record(method, value, task="knn", dataset="pets", **fields):
    return Record(task, dataset, "top-1", float(value), method=method, **fields)


METHODS = ["a", "b", "c", "random"]
SETS = ["pets", "cars", "food", "dogs", "birds", "planes"]


def many(num_sets=6, tasks=("knn",)):
    rng = np.random.default_rng(11)
    return [
        record(method, 70 - 4 * place + 3 * rng.standard_normal(), task, dataset,
               pretraining="random" if method == "random" else "MoCo", architecture="resnet18",
               view={"size": 32})
        for dataset in SETS[:num_sets] for task in tasks for place, method in enumerate(METHODS)
    ]  # fmt: skip


def table_of(records, task="knn"):
    values = {(r.method, r.dataset): r.value for r in records if r.task == task}
    return np.array([[values[m, d] for m in METHODS] for d in SETS])


def test_ranks_and_friedmans_test_are_scipys():
    records = many()
    comparison = compare(records)
    values = table_of(records)
    means = stats.rankdata(-values, axis=1).mean(0)
    ranks = {row.method: row for row in comparison.ranks}
    assert [ranks[method].rank for method in METHODS] == pytest.approx(means.tolist())
    assert [row.rank for row in comparison.ranks] == sorted(means)
    assert all(row.low <= row.rank <= row.high for row in comparison.ranks)
    critical = comparison.critical_difference
    reference = stats.friedmanchisquare(*values.T)
    assert (critical.statistic, critical.p) == pytest.approx(
        (reference.statistic, reference.pvalue)
    )
    # Demsar (2006), table 5 (a): q = 2.569 for four methods at 5 %.
    assert critical.difference == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 6)), rel=3e-4)
    for a, b in combinations(range(4), 2):
        alike = critical.ranks[b] - critical.ranks[a] < critical.difference
        pair = {critical.methods[a], critical.methods[b]}
        assert alike == any(pair <= set(group) for group in critical.groups)
    assert compare(records) == comparison  # nothing is drawn twice otherwise


def test_ranks_are_resampled_by_data_set():
    records = many(tasks=("knn", "linear"))
    comparison = compare(records)
    ranks = np.concatenate(
        [stats.rankdata(-table_of(records, task), axis=1) for task in ("knn", "linear")]
    )
    rng, drawn = np.random.default_rng(2), []
    for _ in range(4000):
        sets = rng.integers(6, size=6)
        drawn.append(ranks[np.concatenate([sets, sets + 6])].mean(0))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    for row in comparison.ranks:
        place = METHODS.index(row.method)
        assert (row.num_results, row.num_datasets) == (12, 6)
        assert (row.low, row.high) == pytest.approx((low[place], high[place]), abs=0.05)


def test_below_five_data_sets_there_is_no_interval_over_them():
    comparison = compare(many(4))
    assert comparison.critical_difference is None
    assert {row.low for row in comparison.ranks} == {None}
    assert {row.low for row in comparison.improvement} == {None}


def test_a_method_with_missing_results_is_ranked_in_those_that_all_have():
    records = [*many(), record("late", 99.0, dataset="pets")]
    comparison = compare(records)
    assert {row.num_results for row in comparison.ranks} == {1}
    assert comparison.ranks[0].method == "late"
    # Nothing in common with the rest: it has no rank, and the others keep theirs.
    alone = compare([*many(), record("late", 99.0, dataset="elsewhere")])
    assert [row.method for row in alone.ranks] == [row.method for row in compare(many()).ranks]
    assert "Without a rank, as results are missing: late." in alone.verdict()


def test_the_probability_of_improvement_is_mann_and_whitneys():
    first, second = (
        {"pets": [70.0, 72.0, 71.0], "cars": [60.0]},
        {"pets": [69.0, 71.0], "cars": [60.0]},
    )
    records = [
        record(method, value, dataset=dataset, seed=seed)
        for method, sets in [("a", first), ("b", second)]
        for dataset, values in sets.items()
        for seed, value in enumerate(values)
    ]
    (row,) = compare(records).improvement
    shares = [
        stats.mannwhitneyu(first[d], second[d]).statistic / (len(first[d]) * len(second[d]))
        for d in first
    ]
    assert row.probability == pytest.approx(np.mean(shares))


def test_gains_are_over_random_weights_of_the_same_architecture_and_view():
    records = many()
    values = table_of(records)
    gains = {gain.method: gain for gain in compare(records).gains}
    assert set(gains) == {"a", "b", "c"}
    for place, method in enumerate("abc"):
        differences = values[:, place] - values[:, 3]
        assert gains[method].gain == pytest.approx(differences.mean())
        assert gains[method].how == "bootstrap over data sets"
        assert gains[method].low < gains[method].gain < gains[method].high
    three = {gain.method: gain for gain in compare(many(3)).gains}["a"]
    reference = stats.ttest_1samp(values[:3, 0] - values[:3, 3], 0).confidence_interval(0.95)
    assert (three.low, three.high) == pytest.approx(tuple(reference))
    other_view = [r._replace(view={"size": 64}) if r.method == "a" else r for r in records]
    assert {gain.method for gain in compare(other_view).gains} == {"b", "c"}
    other = [r._replace(architecture="vit") if r.method == "b" else r for r in records]
    assert {gain.method for gain in compare(other).gains} == {"a", "c"}


def test_the_verdict_is_in_plain_sentences():
    sentences = compare(many()).verdict()
    assert sentences[0].startswith("a has the best mean rank, 1.")
    assert any(line.startswith("Over 6 data sets mean ranks differ") for line in sentences)
    assert any(line.startswith("a gains +") and "points [" in line for line in sentences)
    assert sentences[-1] == (
        "Significant: the 95 % interval excludes 0 and p < 0.05 after Holm's correction for "
        "0 comparisons; 0 of 36 are paired over images, episodes or seeds."
    )
    # No interval: nothing is called a difference, whatever the ranks.
    assert not [line for line in sentences if " is better than " in line]
    assert compare([record("a", 1.0)]).verdict() == [
        "There is one method only: nothing can be compared."
    ]
    apart = [record("a", 1.0), record("b", 1.0, dataset="cars")]
    assert compare(apart).verdict() == [
        "No two methods have a headline result in common: nothing can be compared."
    ]
    assert compare([record("a", 1.0, "geometry")]).differences == []
