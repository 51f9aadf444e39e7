"""Values of measures: means, shares, ranks, and what is missing."""

import math

import pytest

from instdisc.study.claims.measures import Leaf, Missing, Results


def make(records):
    return Results(records, source="cifar10_mini")


def test_mean_over_sets_of_the_mean_over_tasks(rules_of, record):
    part = {"kind": "difference", "measure": "both", "a": "moco", "b": "random", "above": 0}
    both = {"sets": ["source", "pets"], "tasks": ["knn", "readout"], "metric": "top-1", "sign": -1}
    (claim,) = rules_of([part], measures={"both": both}).claims
    values = {"cifar10_mini": (10, 20), "pets": (40, 60)}
    records = [
        record("moco", 1, value, task, dataset)
        for dataset, of_task in values.items()
        for task, value in zip(("knn", "readout"), of_task, strict=True)
    ]
    measure = claim.parts[0].measure
    assert make(records).value(measure, "moco", 1) == -(15 + 50) / 2
    assert make(records).missing(measure, "moco", 1) == []
    for left in records:  # whichever is missing, it is named, and there is no value without it
        rest = make([each for each in records if each is not left])
        (missing,) = rest.missing(measure, "moco", 1)
        assert missing == (f"top-1 of {left.task} on {left.dataset}", "moco", 1)
    assert len(make(records).missing(measure, "moco", 2)) == 4


def test_settings_choose_and_the_newest_counts(rules_of, record):
    rules = rules_of([{"kind": "difference", "measure": "reset", "a": "a", "b": "b", "above": 0}])
    reset = rules.measures["reset"]
    records = [
        record("a", 0, 1, "finetune", settings={"reset_stages": 0}, date="2026-01-05"),
        record("a", 0, 2, "finetune", settings={"reset_stages": 1}, date="2026-01-04"),
        record("a", 0, 3, "finetune", settings={"reset_stages": 1}, date="2026-01-03"),
    ]
    assert make(records).value(reset, "a", 0) == 2
    (missing,) = make(records[:1]).missing(reset, "a", 0)
    assert missing.what == "top-1 of finetune on eurosat, reset_stages = 1"
    other = record("a", 0, 4, "finetune", settings={"reset_stages": 1, "rate": 2})
    with pytest.raises(ValueError, match=r"`records` must be of one top-1 .*measure 'reset'"):
        make([*records, other]).value(reset, "a", 0)


def test_share_of_several_metrics(rules_of, record):
    rules = rules_of([{"kind": "difference", "measure": "loc", "a": "a", "b": "b", "above": 0}])
    loc = rules.measures["loc"]

    def hoiem(metric, value, half):
        ends = {"low": value - half, "high": value + half}
        return record("a", 0, value, "hoiem", "bccd", metric, **ends)

    records = [hoiem("Loc", 12, 1.96), hoiem("Sim", 4, 0.98)]
    leaf = make(records).leaf(loc, "a", 0, "bccd", "hoiem")
    assert isinstance(leaf, Leaf)
    # Derivatives of 100 L / (L + S): 100 S / T^2 and -100 L / T^2; both errors at their worst.
    error = 100 * (4 * 1.0 + 12 * 0.5) / 16**2
    assert (leaf.value, leaf.unit) == (75, "%")
    assert math.isclose(leaf.error, error, rel_tol=1e-4)
    assert isinstance(make(records[:1]).leaf(loc, "a", 0, "bccd", "hoiem"), Missing)
    nothing = make([hoiem("Loc", 0, 0), hoiem("Sim", 0, 0)]).leaf(loc, "a", 0, "bccd", "hoiem")
    assert isinstance(nothing, Missing)


def test_ranks_with_ties_and_a_sign(rules_of, record):
    rules = rules_of([{"kind": "tau", "a": "source", "b": "dense", "over": "all", "below": 0}])
    # Of AP50 a = b < c; of NME, where less is better, c < b < a.
    points = {"a": (10, 9), "b": (10, 5), "c": (12, 7)}
    records = [
        each
        for method, (ap, nme) in points.items()
        for each in (
            record(method, 0, ap, "detection", "bccd", "box AP50"),
            record(method, 0, nme, "landmarks", "faces68", "NME"),
        )
    ]
    table = make(records).table(rules.measures["dense"], ["a", "b", "c"], [0])
    assert table[:, 0].tolist() == [(1.5 + 1) / 2, (1.5 + 3) / 2, (3 + 2) / 2]
