"""Differences, gains and kept shares, over seeds and images."""

import math

import numpy as np
import pytest
from scipy import stats

from instdisc.study.claims import decide
from instdisc.study.claims.seeds import Spread, over_seeds, own_spread, residual_spread

DIFFERENCE = {"kind": "difference", "measure": "transfer", "a": "moco", "b": "random", "above": 1.0}


def only(records, rules, differences=()):
    (verdict,) = decide(records, differences, rules, source="cifar10_mini")
    (part,) = verdict.parts
    return verdict, part


def transfer(record, values, **more):
    """Records on both sets of `transfer`; values by method, one for each seed."""
    return [
        record(method, seed, value + shift, dataset=dataset, **more)
        for method, of_seed in values.items()
        for seed, value in enumerate(of_seed)
        for dataset, shift in (("eurosat", 5), ("flowers17", -5))
    ]


def test_difference_is_a_paired_t_test(rules_of, record):
    values = {"moco": [52.1, 48.9, 55.3, 50.2], "random": [48.0, 45.2, 51.0, 46.1]}
    verdict, part = only(transfer(record, values), rules_of([DIFFERENCE]))
    each = np.subtract(*values.values())
    test = stats.ttest_1samp(each, 1.0)
    ends = test.confidence_interval(0.95)
    assert math.isclose(part.value, each.mean())
    assert math.isclose(part.low, ends.low + 1.0 - 1.0)
    assert math.isclose(part.high, ends.high)
    assert math.isclose(part.p, test.pvalue)
    assert (part.verdict, verdict.verdict, part.seeds) == ("supported", "supported", [0, 1, 2, 3])
    assert np.allclose(list(part.per_seed.values()), each)
    assert part.how == "t over 4 seeds; seeds alone"
    assert "seeds alone" in verdict.why


@pytest.mark.parametrize(
    ("above", "verdict"), [(1.0, "supported"), (3.9, "undecided"), (6.0, "contradicted")]
)
def test_margin_decides(rules_of, record, above, verdict):
    values = {"moco": [52.1, 48.9, 55.3, 50.2], "random": [48.0, 45.2, 51.0, 46.1]}
    rules = rules_of([DIFFERENCE | {"above": above}])
    assert only(transfer(record, values), rules)[0].verdict == verdict


def test_direction_decides(rules_of, record):
    values = {"moco": [52.1, 48.9, 55.3, 50.2], "random": [48.0, 45.2, 51.0, 46.1]}
    rules = {key: value for key, value in DIFFERENCE.items() if key != "above"} | {"below": 1.0}
    assert only(transfer(record, values), rules_of([rules]))[0].verdict == "contradicted"


def paired(record, seed, dataset, half, name="moco - random"):
    ends = {"low": 4 - half, "high": 4 + half}
    return record(name, seed, 4, dataset=dataset, settings={"p": 0.1}, **ends)


def test_images_widen_the_interval(rules_of, record):
    """From paired differences, else from the records, each in its closed form."""
    values = {"moco": [52.0, 49.0, 55.0], "random": [48.0, 45.1, 50.9]}
    rules, each = rules_of([DIFFERENCE]), np.array([4.0, 3.9, 4.1])
    z = stats.norm.ppf(0.975)

    def expected(error):
        of_seeds = each.var(ddof=1) / 3
        freedom = 2 * (of_seeds + error**2) ** 2 / of_seeds**2  # Satterthwaite
        return stats.t.ppf(0.975, freedom) * math.sqrt(of_seeds + error**2)

    halves = {"eurosat": 1.2, "flowers17": 2.0}
    differences = [paired(record, s, d, (1 + s) * h) for s in range(3) for d, h in halves.items()]
    _, part = only(transfer(record, values), rules, differences)
    # By hand: e_s = sqrt(1.2^2 + 2^2) (1 + s) / 2 / z, mean over s = 0, 1, 2.
    error = math.hypot(1.2, 2.0) * 2 / 2 / z
    assert math.isclose(part.image_error, error)
    assert math.isclose(part.value - part.low, expected(error))
    assert part.how == "t over 3 seeds; images: paired bootstrap over images"

    with_ends = [r._replace(low=r.value - 3, high=r.value + 3) for r in transfer(record, values)]
    _, part = only(with_ends, rules)
    error = math.sqrt(2 * 2 * 3**2) / 2 / z  # 2 networks, 2 sets
    assert math.isclose(part.image_error, error)
    assert math.isclose(part.high - part.value, expected(error))
    assert part.how.endswith("intervals of the records, not paired")

    # A set of which one seed was not paired: its images count as those of the other seeds.
    _, part = only(transfer(record, values), rules, differences[:2])
    assert math.isclose(part.image_error, math.hypot(1.2, 2.0) / 2 / z)
    # Turned round, it is the same difference.
    turned = [r._replace(method="random - moco", value=-r.value) for r in differences]
    _, part = only(transfer(record, values), rules, turned)
    assert math.isclose(part.image_error, math.hypot(1.2, 2.0) * 2 / 2 / z)


def test_a_group_is_the_mean_of_its_methods(rules_of, record):
    part = DIFFERENCE | {"a": "contrastive"}
    values = {"moco": [52, 49, 55], "supcon": [58, 53, 59], "random": [48, 45, 50]}
    _, row = only(transfer(record, values), rules_of([part]))
    assert list(row.per_seed.values()) == [7, 6, 7]
    rows = transfer(record, {"moco": values["moco"], "random": values["random"]})
    verdict, row = only(rows, rules_of([part]))
    assert row.value is None
    assert "missing: top-1 of readout on eurosat for supcon, seeds 0, 1, 2" in verdict.why


def test_gain(rules_of, record):
    pairs = {"a": ["moco", "moco_weak"], "b": ["ce", "ce_weak"]}
    part = {"kind": "gain", "measure": "source", **pairs, "above": 1.0}
    values = {"moco": [60, 61, 63], "moco_weak": [50, 52, 52], "ce": [80, 82, 81]}
    values["ce_weak"] = [78, 79, 80]
    records = [
        record(method, seed, value, dataset="cifar10_mini")
        for method, of_seed in values.items()
        for seed, value in enumerate(of_seed)
    ]
    verdict, row = only(records, rules_of([part]))
    assert list(row.per_seed.values()) == [8, 6, 10]
    assert math.isclose(row.p, stats.ttest_1samp([8, 6, 10], 1.0).pvalue)
    assert row.quantity == "(moco - moco_weak) - (ce - ce_weak) in source"
    assert verdict.verdict == "supported"


KEPT = {
    "kind": "kept_share",
    "kept": "reset",
    "full": "finetuned",
    "over": "contrastive",
    "base": "random",
    "share": 0.75,
    "least_gain": 1.0,
}


def finetuned(record, base, full, kept):
    """Base, and for both methods together full and kept, one value for each seed."""
    rows = []
    for seed in range(len(base)):
        for method, stages, value in (
            ("random", 0, base[seed]),
            ("moco", 0, full[seed] + 1),
            ("supcon", 0, full[seed] - 1),
            ("moco", 1, kept[seed] - 2),
            ("supcon", 1, kept[seed] + 2),
        ):
            settings = {"reset_stages": stages}
            rows.append(record(method, seed, value, "finetune", settings=settings))
    return rows


@pytest.mark.parametrize(
    ("kept", "verdict"),
    [([69, 69, 68], "supported"), ([62, 64, 63], "undecided"), ([60, 60.5, 59], "contradicted")],
)
def test_kept_share(rules_of, record, kept, verdict):
    base, full = [40, 41, 39], [70, 70, 69]
    answer, row = only(finetuned(record, base, full, kept), rules_of([KEPT]))
    each = [k - b - 0.75 * (w - b) for k, b, w in zip(kept, base, full, strict=True)]
    assert np.allclose(list(row.per_seed.values()), each)
    assert math.isclose(row.p, stats.ttest_1samp(each, 0).pvalue)
    share = (sum(kept) - sum(base)) / (sum(full) - sum(base))
    assert math.isclose(row.details["kept"], share)
    assert math.isclose(row.details["gain"]["value"], (209 - 120) / 3)
    assert answer.verdict == verdict


def test_without_a_gain_no_share_of_it_is_kept(rules_of, record):
    records = finetuned(record, [40, 41, 39], [41, 44, 39.5], [60, 61, 60])
    verdict, row = only(records, rules_of([KEPT]))
    assert row.low > 0  # and yet
    assert (verdict.verdict, verdict.p) == ("undecided", 1.0)
    assert "the gain over random is not surely above 1" in verdict.why


def test_two_seeds_and_one_are_undecided_however_far(rules_of, record):
    values = {"moco": [90.0, 90.1], "random": [10.0, 10.2]}
    verdict, row = only(transfer(record, values), rules_of([DIFFERENCE]))
    assert (verdict.verdict, verdict.p, row.p, row.seeds) == ("undecided", 1.0, None, [0, 1])
    assert row.low < row.value < row.high
    assert "2 seeds, 3 are needed" in verdict.why
    single = {"moco": [90.0], "random": [10.0]}
    verdict, row = only(transfer(record, single), rules_of([DIFFERENCE]))
    assert (verdict.verdict, row.value, row.low) == ("undecided", 80, None)


@pytest.mark.parametrize("error", [0.0, 0.5, 2.0])
def test_the_interval_holds_the_truth(error):
    """95 % over seeds and images that all seeds share, by simulation."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        images = rng.normal(0, error)
        values = (2.0 + images + rng.normal(0, 1, 3)).tolist()
        spread = own_spread(values)
        estimate = over_seeds(values, error, spread=spread, margin=0.0, level=0.05)
        held += estimate.low <= 2.0 <= estimate.high
    assert 0.92 * 300 <= held <= 0.985 * 300


def test_pooled_spread_is_the_residual_of_a_regression():
    table = np.random.default_rng(0).normal(size=(5, 3)) + np.array([0, 5, -3])
    methods, seeds = np.indices(table.shape).reshape(2, -1)
    design = np.hstack([np.eye(5)[methods], np.eye(3)[seeds]])
    residual = table.ravel() - design @ np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
    spread = residual_spread(table)
    assert spread.freedom == 15 - np.linalg.matrix_rank(design)
    assert math.isclose(spread.variance, (residual**2).sum() / spread.freedom)


def test_a_pool_lends_its_degrees_of_freedom(rules_of, record):
    """A small difference of three seeds is decided by the spread of eight methods."""
    rng = np.random.default_rng(0)
    names = ["moco", "random", *(f"net{n}" for n in range(6))]
    noise = rng.normal(0, 0.3, (8, 3)) + np.array([0.0, 4.0, -4.0])  # seeds differ, alike for all
    table = noise + 50 + np.array([2.0, *[0.0] * 7])[:, None]
    records = transfer(record, dict(zip(names, table.tolist(), strict=True)))
    _, alone = only(records, rules_of([DIFFERENCE]))
    _, pooled = only(records, rules_of([DIFFERENCE], pool=names))
    assert "pooled over 8 methods" in pooled.how
    assert "pooled" not in alone.how
    single = residual_spread(table)
    half = stats.t.ppf(0.975, 14) * math.sqrt(2 * single.variance / 3)
    assert math.isclose(pooled.high - pooled.value, half)
    assert pooled.value == alone.value
    # One that lacks a seed, or is in no pool, is not pooled.
    records = [r for r in records if (r.method, r.seed) != ("net0", 2)]
    _, fewer = only(records, rules_of([DIFFERENCE], pool=names))
    assert "pooled over 7 methods" in fewer.how
    _, apart = only(records, rules_of([DIFFERENCE], pool=[n for n in names if n != "moco"]))
    assert (apart.low, apart.high) == (alone.low, alone.high)


def test_the_pooled_interval_holds_the_truth(rules_of, record):
    rng, held = np.random.default_rng(1), 0
    for _ in range(300):
        table = rng.normal(0, 1, (6, 3)) + rng.normal(0, 2, 3)
        single = residual_spread(table)
        spread = Spread(2 * single.variance, single.freedom)
        values = (table[0] - table[1]).tolist()
        estimate = over_seeds(values, 0.0, spread=spread, margin=0.0, level=0.05)
        held += estimate.low <= 0.0 <= estimate.high
    assert 0.92 * 300 <= held <= 0.98 * 300
