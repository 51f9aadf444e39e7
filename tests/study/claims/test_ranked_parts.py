"""Quantities over methods: tau, r and predictors, resampled over methods."""

import math

import numpy as np
import pytest
from scipy import stats

from instdisc.study.claims import decide
from instdisc.study.claims.over_methods import pearson, resampled_methods, taus

METHODS = ["a", "b", "c", "d", "e", "f"]
TAU = {"kind": "tau", "a": "source", "b": "spread", "over": "all", "below": 0.5}
CORRELATION = {"kind": "correlation", "a": "source", "b": "spread", "over": "all", "above": 0.0}
ONE = {"sets": ["source"], "tasks": ["geometry"]}
MEASURES = {
    "source": {"sets": ["source"], "tasks": ["readout"], "metric": "top-1"},
    "spread": {**ONE, "metric": "spread"},
}
PREDICTOR = {
    "kind": "predictor",
    "b": "spread",
    "than": "source",
    "over": "all",
    "above": 0.0,
    "predictors": {
        "rank": {**ONE, "metric": "rank"},
        "turned": {**ONE, "metric": "turned", "sign": -1},
        "noise": {**ONE, "metric": "noise"},
    },
}


def only(records, rules):
    (verdict,) = decide(records, (), rules, source="pets")
    return verdict, verdict.parts[0]


def tables(record, seeds=3, **metrics):
    """Records of metrics: a value of each method, to which each seed adds a little."""
    return [
        record(
            method, seed, value + 0.01 * ((7 * place + 3 * seed) % 5),
            "readout" if metric == "source" else "geometry", "pets",
            "top-1" if metric == "source" else metric,
        )
        for metric, values in metrics.items()
        for place, (method, value) in enumerate(zip(METHODS, values, strict=True))
        for seed in range(seeds)
    ]  # fmt: skip


def means(records, metric, seeds=3):
    values = [r.value for r in records if r.metric == metric]
    return np.array(values).reshape(-1, seeds)


def test_tau_of_means_over_seeds(rules_of, record):
    rules = rules_of([TAU], measures=MEASURES)
    records = tables(record, source=[1, 2, 3, 4, 5, 6], spread=[4, 6, 1, 5, 3, 2])
    part = only(records, rules)[1]
    a, b = (means(records, metric).mean(1) for metric in ("top-1", "spread"))
    assert math.isclose(part.value, stats.kendalltau(a, b).statistic)
    drawn = []
    for times in resampled_methods(6)[:400]:
        rows = np.repeat(np.arange(6), times)
        drawn.append(stats.kendalltau(a[rows], b[rows]).statistic)
    (rank,) = taus(a[None], b)
    assert np.allclose(rank.drawn[:400], drawn, equal_nan=True)
    there = rank.drawn[~np.isnan(rank.drawn)].round(10)
    assert np.allclose([part.low, part.high], np.quantile(there, [0.025, 0.975]))
    assert math.isclose(part.p, 2 * min((there <= 0.5).mean(), (there >= 0.5).mean()))
    assert (part.direction, part.how) == ("below", "bootstrap over 6 methods, 10,000 resamples")


@pytest.mark.parametrize(
    ("spread", "verdict"),
    [
        ([6, 5, 4, 3, 2, 1], "supported"),  # tau is below 0.5 where the orders are opposite
        ([1, 2, 3, 4, 5, 6], "contradicted"),
        ([2, 1, 4, 3, 6, 5], "undecided"),
    ],
)
def test_tau_below_a_margin(rules_of, record, spread, verdict):
    rules = rules_of([TAU], measures=MEASURES)
    records = tables(record, source=[1, 2, 3, 4, 5, 6], spread=spread)
    assert only(records, rules)[0].verdict == verdict


def test_correlation_over_cells_is_resampled_by_method(rules_of, record):
    rules = rules_of([CORRELATION], measures=MEASURES)
    records = tables(record, source=[1, 2, 3, 4, 5, 6], spread=[1, 3, 2, 5, 4, 7])
    verdict, part = only(records, rules)
    a, b = means(records, "top-1"), means(records, "spread")
    assert math.isclose(part.value, stats.pearsonr(a.ravel(), b.ravel()).statistic)
    drawn = []
    for times in resampled_methods(6)[:200]:
        rows = np.repeat(np.arange(6), times)
        with np.errstate(all="ignore"):
            drawn.append(np.corrcoef(a[rows].ravel(), b[rows].ravel())[0, 1])
    assert np.allclose(pearson(a, b).drawn[:200], drawn)
    assert verdict.verdict == "supported"
    assert (part.seeds, part.methods) == ([0, 1, 2], METHODS)


def test_the_best_predictor_pays_for_the_choice(rules_of, record):
    rules = rules_of([PREDICTOR], measures=MEASURES)
    spread = [1, 2, 3, 4, 5, 6]
    records = tables(
        record,
        spread=spread,
        source=[5, 1, 2, 6, 3, 4],
        rank=[1, 2, 3, 4, 6, 5],
        turned=[6, 5, 4, 3, 2, 1],
        noise=[2, 6, 4, 1, 5, 3],
    )
    part = only(records, rules)[1]
    assert part.quantity == "Kendall's tau with spread: turned - source"
    b = means(records, "spread").mean(1)
    than = stats.kendalltau(means(records, "top-1").mean(1), b).statistic
    best = stats.kendalltau(-means(records, "turned").mean(1), b).statistic
    assert math.isclose(part.value, best - than)
    assert math.isclose(part.details["tau"]["turned"]["value"], best)
    assert next(iter(part.details["tau"])) == "turned"
    a = np.stack([-means(records, "turned").mean(1), means(records, "top-1").mean(1)])
    first, second = taus(a, b)
    drawn = (first.drawn - second.drawn)[~np.isnan(first.drawn)].round(10)
    p = 2 * min((drawn <= 0).mean(), (drawn >= 0).mean())
    assert math.isclose(part.p, min(1.0, 3 * p))
    # What one network lacks is no candidate, and is named.
    rest = [r for r in records if not (r.metric == "turned" and r.method == "c" and r.seed == 1)]
    part = only(rest, rules)[1]
    assert part.quantity == "Kendall's tau with spread: rank - source"
    assert part.missing == ["turned of geometry on pets for c, seed 1"]
    assert part.details["predictors"] == 3


def test_methods_without_results_are_left_out_and_named(rules_of, record):
    rules = rules_of([TAU], measures=MEASURES)
    records = tables(record, source=[1, 2, 3, 4, 5, 6], spread=[6, 5, 4, 3, 2, 1])
    rest = [r for r in records if not (r.method == "f" and r.metric == "spread" and r.seed)]
    verdict, part = only(rest, rules)
    assert (part.methods, part.verdict) == (METHODS[:5], "supported")
    assert "without f, of which results are missing" in verdict.why
    fewer = [r for r in rest if r.method != "e" or r.seed == 0]
    verdict, part = only(fewer, rules)
    assert (verdict.verdict, part.seeds) == ("undecided", [0])
    why = "1 seed, 3 are needed; missing: top-1 of readout on pets for e, seeds 1, 2 and 2 more"
    assert why in verdict.why
    fewest = [r for r in records if r.method in "abc"]
    verdict, part = only(fewest, rules)
    assert "3 methods, 5 are needed" in verdict.why


def test_one_dense_seed_is_undecided(rules_of, record):
    dense = {"kind": "tau", "a": "source", "b": "dense", "over": "all", "below": 0.5}
    records = tables(record, source=[1, 2, 3, 4, 5, 6])
    for place, method in enumerate(METHODS):
        records.append(record(method, 0, -place, "detection", "pets", "box AP50"))
    ranked = {"ranks": [{"sets": ["source"], "tasks": ["detection"], "metric": "box AP50"}]}
    rules = rules_of([dense], measures={**MEASURES, "dense": ranked})
    verdict, part = only(records, rules)
    assert (verdict.verdict, part.value, part.seeds, part.p) == ("undecided", -1, [0], None)
    assert "1 seed, 3 are needed" in verdict.why


def test_equal_numbers_have_no_order(rules_of, record):
    rules = rules_of([TAU], measures=MEASURES)
    records = [r._replace(value=1.0) for r in tables(record, source=[1] * 6)]
    records += tables(record, spread=[1, 2, 3, 4, 5, 6])
    verdict, part = only(records, rules)
    assert (verdict.verdict, part.value) == ("undecided", None)
    assert "one of the numbers is the same for all" in verdict.why
