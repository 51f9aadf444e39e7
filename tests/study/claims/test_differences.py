"""Differences paired over images, from kept predictions."""

import logging
import math

import numpy as np
import pytest

from instdisc import Backbone, Scenes, run_suite
from instdisc.predictions import save_predictions
from instdisc.report import compare
from instdisc.study.claims import decide, paired_differences, pairs_of, read_rules

LABELS = np.arange(200) % 4
NAMES = np.array([f"{place}.png" for place in range(200)])
DIFFERENCE = {"kind": "difference", "measure": "source", "a": "moco", "b": "ce", "above": 1.0}
GAIN = {"kind": "gain", "measure": "source", "a": ["moco", "weak"], "b": ["ce", "ce_weak"]}


@pytest.fixture
def network(record, tmp_path):
    """A record of accuracy on the source whose predictions lie in the folder of the test."""

    def make(method, right, seed=0, order=slice(None), task="readout", **more):
        job = f"{method}-{seed}-{more.get('settings')}-{task}"
        columns = {"label": LABELS[order], "prediction": np.where(right, LABELS, 9)[order]}
        file = tmp_path / f"predictions/{job}.npz"
        save_predictions(file, {"image": list(NAMES[order]), **columns})
        more = {"n": 200, "job": job, "date": f"2026-01-0{seed + 1}"} | more
        return record(method, seed, 100 * right.mean(), task, "pets", **more)

    return make


def rights(number, share=0.6):
    rng = np.random.default_rng(number)
    return rng.random(200) < share


def test_pairs_of_the_package():
    pairs = pairs_of(read_rules(), source="cifar10_mini")
    assert len(set(map(str, pairs))) == len(pairs)
    names = {(pair.quantity.name, pair.dataset) for pair in pairs}
    assert ("exemplar - moco", "cifar10_mini") in names
    assert ("supcon_moco - supcon", "omniglot_background") in names
    assert ("(moco - moco_weak) - (cross_entropy - cross_entropy_weak)", "cifar10_mini") in names
    assert ("pretrained: reset - (0.75 finetuned + 0.25 random)", "flowers17") in names
    assert ("pretrained - random", "eurosat") in names
    assert not any(pair.task == "hoiem" for pair in pairs)  # a share is no mean over images
    for pair in pairs:
        assert math.isclose(sum(term.weight for term in pair.quantity.terms), 0, abs_tol=1e-12)


def test_a_difference_is_that_of_the_comparison(network, rules_of, tmp_path):
    order = np.random.default_rng(0).permutation(200)
    records = [network("moco", rights(1, 0.7)), network("ce", rights(2), order=order)]
    pairs = pairs_of(rules_of([DIFFERENCE]), source="pets")
    (row,) = paired_differences(records, tmp_path, pairs)
    (expected,) = compare(records, folders=[tmp_path]).differences
    assert (row.low, row.high, row.settings["p"]) == (expected.low, expected.high, expected.p)
    assert math.isclose(row.value, expected.difference)
    assert (row.method, row.interval, row.n) == ("moco - ce", expected.how, 200)
    assert (row.settings["a"], row.settings["b"], row.date) == ("moco", "ce", "2026-01-01")
    assert paired_differences(records, tmp_path, pairs) == [row]


def test_a_gain_is_resampled_as_it_is(network, rules_of, tmp_path):
    """Its standard error is that of the mean over images of the sum of all four."""
    hits = {name: rights(n) for n, name in enumerate(("moco", "weak", "ce", "ce_weak"))}
    hits["weak"] = hits["moco"] ^ rights(9, 0.1)  # alike on most images
    records = [network(name, right) for name, right in hits.items()]
    pairs = pairs_of(rules_of([GAIN | {"above": 1.0}]), source="pets")
    (row,) = paired_differences(records, tmp_path, pairs)
    moco, weak, ce, ce_weak = (100.0 * right for right in hits.values())
    each = moco - weak - (ce - ce_weak)
    assert math.isclose(row.value, each.mean(), abs_tol=1e-9)
    error = each.std() / math.sqrt(200)
    assert math.isclose(row.ci / 1.96, error, rel_tol=0.05)
    (verdict,) = decide(records, [row], rules_of([GAIN | {"above": 1.0}]), source="pets")
    assert math.isclose(verdict.parts[0].image_error, error, rel_tol=0.05)


def test_settings_tell_results_apart(network, rules_of, tmp_path):
    """Both numbers of stages of one method are in one quantity."""
    part = {
        "kind": "kept_share", "kept": "reset", "full": "finetuned", "over": "contrastive",
        "base": "random", "share": 0.5, "least_gain": 1.0,
    }  # fmt: skip
    finetuned = {"sets": ["source"], "tasks": ["finetune"], "metric": "top-1"}
    measures = {
        "finetuned": {**finetuned, "settings": {"reset_stages": 0}},
        "reset": {**finetuned, "settings": {"reset_stages": 1}},
    }
    rules = rules_of([part], measures=measures, groups={"contrastive": ["moco", "supcon"]})
    places = [("random", 0), ("moco", 0), ("moco", 1), ("supcon", 0), ("supcon", 1)]
    records, hits = [], {}
    for number, (method, stages) in enumerate(places):
        hits[method, stages] = rights(number, 0.3 + 0.1 * number)
        settings = {"reset_stages": stages}
        records.append(network(method, hits[method, stages], task="finetune", settings=settings))
    kept, gain = paired_differences(records, tmp_path, pairs_of(rules, source="pets"))
    assert kept.method == "contrastive: reset - (0.5 finetuned + 0.5 random)"
    reset, full = ((1.0 * hits["moco", n] + hits["supcon", n]) / 2 for n in (1, 0))
    each = 100 * (reset - 0.5 * full - 0.5 * hits["random", 0])
    assert math.isclose(kept.value, each.mean(), abs_tol=1e-9)
    assert math.isclose(kept.ci / 1.96, each.std() / math.sqrt(200), rel_tol=0.05)
    assert (gain.method, gain.settings["reset_stages"]) == ("contrastive - random", 0)


def test_inversions_are_paired_over_their_images(record, rules_of, tmp_path):
    """The images differ far more than the networks do."""
    rng = np.random.default_rng(0)
    hard = rng.random(16)
    records, values = [], {}
    for method, better in (("moco", 0.05), ("ce", 0.0)):
        values[method] = 0.5 * hard + better + 0.01 * rng.normal(size=16)
        columns = {
            "stages": np.array([2, 4]),
            "image": list(NAMES[:16]),
            "distance_names": ["PSNR", "SSIM"],
            "distances": np.stack([np.zeros((2, 16)), [np.ones(16), values[method]]]),
        }
        save_predictions(tmp_path / f"predictions/{method}.npz", columns)
        mean, half = values[method].mean(), 1.96 * values[method].std() / 4
        more = {"job": method, "unit": "", "low": mean - half, "high": mean + half}
        records.append(record(method, 0, mean, "stage4_inversion", "pets", "SSIM", **more))
    inversion = {"sets": ["source"], "tasks": ["stage4_inversion"], "metric": "SSIM"}
    part = DIFFERENCE | {"measure": "inversion"}
    rules = rules_of([part], measures={"inversion": inversion})
    (row,) = paired_differences(records, tmp_path, pairs_of(rules, source="pets"))
    each = values["moco"] - values["ce"]
    assert math.isclose(row.value, each.mean())
    assert math.isclose(row.ci / 1.96, each.std() / 4, rel_tol=0.1)
    errors = [
        decide(records, differences, rules, source="pets")[0].parts[0].image_error
        for differences in ([row], [])
    ]
    assert errors[0] < errors[1] / 5


def test_predictions_of_a_suite(rules_of, tmp_path):
    """What `run_suite` keeps gives the differences of its records."""
    scenes = Scenes(24, image_size=32, num_categories=2)
    backbones = {name: Backbone("test_resnet") for name in ("moco", "ce")}
    records = run_suite(
        backbones, {"scenes": (scenes, Scenes(20, seed=1, image_size=32, num_categories=2))},
        tasks=["knn"], image_size=32, results=tmp_path / "results.jsonl", progress=False,
    )  # fmt: skip
    knn = {"sets": ["source"], "tasks": ["knn"], "metric": "top-1"}
    rules = rules_of([DIFFERENCE | {"measure": "knn"}], measures={"knn": knn})
    (row,) = paired_differences(records, tmp_path, pairs_of(rules, source="scenes"))
    moco, ce = (next(r.value for r in records if r.method == m) for m in ("moco", "ce"))
    assert (row.value, row.n) == (moco - ce, 20)


def test_what_cannot_be_paired_is_counted_and_left_out(network, rules_of, tmp_path, caplog):
    records = [
        *(network("moco", rights(n), n) for n in range(4)),
        *(network("ce", rights(n + 9), n) for n in range(5)),
    ]
    (tmp_path / "predictions" / f"{records[1].job}.npz").unlink()
    (tmp_path / "predictions" / f"{records[2].job}.npz").write_bytes(b"damaged")
    records[3] = records[3]._replace(value=1.0)  # not what its predictions give
    pairs = pairs_of(rules_of([DIFFERENCE]), source="pets")
    with caplog.at_level(logging.WARNING, logger="instdisc"):
        rows = paired_differences(records, tmp_path, pairs)
    assert [row.seed for row in rows] == [0]
    (line,) = caplog.messages
    assert line.startswith("3 of 4 differences could not be paired over images (moco - ce on pets")
    assert "no predictions were kept" in line


def test_what_is_no_pair_is_refused(tmp_path):
    with pytest.raises(TypeError, match="`pairs` must be a sequence of Pair"):
        paired_differences([], tmp_path, ["a"])
    with pytest.raises(FileNotFoundError, match="`folder` must be a folder"):
        paired_differences([], tmp_path / "none", [])
