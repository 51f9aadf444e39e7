"""Comparisons of records and their predictions: planted cases."""

import numpy as np
import pytest

from instdisc.predictions import save_predictions
from instdisc.report import compare, results_table, write_table
from instdisc.report.comparison import choose_headlines
from instdisc.report.material import Material
from instdisc.report.pooling import Result
from instdisc.types import Record

RNG = np.random.default_rng(3)
LABELS = RNG.integers(4, size=200)
NAMES = np.array([f"{place}.png" for place in range(200)])


def record(method, value, task="knn", dataset="pets", metric="top-1", **fields):
    return Record(task, dataset, metric, float(value), method=method, **fields)


def hits_of(rng, share):
    return rng.random(len(LABELS)) < share


def classified(folder, method, right, names=NAMES, labels=LABELS, **fields):
    """A record of top-1 whose predictions lie in a folder."""
    fields = {"task": "knn", "dataset": "pets"} | fields
    job = f"{method}_{fields['task']}_{fields['dataset']}_{fields.get('seed', 0)}"
    columns = {"label": labels, "prediction": np.where(right, labels, labels + 1)}
    save_predictions(folder / f"predictions/{job}.npz", {"image": list(names), **columns})
    return record(method, 100 * right.mean(), job=job, n=len(labels), **fields)


def only(comparison):
    (difference,) = comparison.differences
    return difference


def test_equal_predictions_tie_and_better_ones_on_each_image_differ(tmp_path):
    right = hits_of(RNG, 0.6)
    order = RNG.permutation(200)
    same = compare(
        [
            classified(tmp_path, "a", right),
            classified(tmp_path, "b", right[order], NAMES[order], LABELS[order]),
        ],
        folders=[tmp_path],
    )
    row = only(same)
    assert (row.difference, row.low, row.high, row.p, row.significant) == (0, 0, 0, 1, False)
    assert row.how == "paired bootstrap over 200 images, 10,000 resamples"
    assert same.best[same.results[0]] == {"a", "b"}
    assert [tuple(wins) for wins in same.wins] == [("a", "b", 0, 1, 0)]
    other = compare(
        [classified(tmp_path, "a", right | True), classified(tmp_path, "b", right & False)],
        folders=[tmp_path],
    )
    row = only(other)
    assert (row.difference, row.low, row.high, row.winner) == (100, 100, 100, "a")
    assert other.best[other.results[0]] == {"a"}
    assert other.verdict()[1] == "a is better than b in 1 of 1 result."


def test_pairing_shows_what_two_intervals_do_not(tmp_path):
    # Right on the same images, but for 12 of 200 that only the first gets right.
    right = hits_of(RNG, 0.6)
    fewer = right & (np.cumsum(right) > 12)
    records = [classified(tmp_path, "a", right), classified(tmp_path, "b", fewer)]
    wide = [r._replace(low=r.value - 6.8, high=r.value + 6.8) for r in records]
    paired, unpaired = (only(compare(wide, folders=where)) for where in ([tmp_path], []))
    assert paired.significant
    assert not unpaired.significant
    assert paired.p == pytest.approx(2 * 0.5**12)
    assert paired.high - paired.low < 0.4 * (unpaired.high - unpaired.low)
    assert unpaired.how == "from the intervals of both, not paired: no predictions were kept"
    assert only(compare(Material(wide, [tmp_path]))) == paired


def test_other_images_or_a_stale_file_are_not_paired(tmp_path):
    right = hits_of(RNG, 0.6)
    a = classified(tmp_path, "a", right)
    b = classified(tmp_path, "b", right, names=np.char.add("x", NAMES))
    assert only(compare([a, b], folders=[tmp_path])).how == (
        "no interval: not the same images, and one has none of its own"
    )
    stale = a._replace(value=a.value + 0.5)
    assert (
        "do not give the value of the record" in only(compare([stale, b], folders=[tmp_path])).how
    )


def test_the_metric_says_which_way_is_better(tmp_path):
    probability = np.array([0.9, 0.8] * 30), np.array([0.5, 0.6] * 30)
    records = []
    for method, each in zip("ab", probability, strict=True):
        save_predictions(
            tmp_path / f"predictions/{method}.npz",
            {"image": list(NAMES[:60]), "label": np.zeros(60, int),
             "prediction": np.zeros(60, int), "probability": each.astype(np.float32)},
        )  # fmt: skip
        loss = -np.log(each).mean()
        shared = {"task": "readout", "job": method, "n": 60}
        records += [
            record(method, 100.0, **shared),
            record(method, loss, metric="NLL", unit="nats", higher_is_better=False, **shared),
        ]
    comparison = compare(records, folders=[tmp_path])
    accuracy, loss = comparison.differences
    assert (accuracy.headline, accuracy.difference, accuracy.significant) == (True, 0.0, False)
    assert not loss.headline
    assert loss.winner == "a"
    assert loss.difference == pytest.approx(np.log(probability[0] / probability[1]).mean())
    assert 0 < loss.low < loss.difference < loss.high
    assert comparison.best[comparison.results[1]] == {"a"}
    flipped = loss.flipped()
    assert (flipped.difference, flipped.low, flipped.high) == (
        -loss.difference,
        -loss.high,
        -loss.low,
    )
    assert flipped.winner == "a"


def test_segmenters_landmarks_classes_and_episodes_are_paired(tmp_path):
    from torch import from_numpy

    from instdisc.metrics import mean_per_class_accuracy

    records = []
    for method in "ab":
        truth = np.full((30, 3), 100)
        hits = RNG.integers(40, 100, size=(30, 3))
        wrong = RNG.integers(100, size=(30, 3))
        errors = RNG.random((30, 5)) * 0.2
        errors[:3, 0] = np.nan
        guesses = np.where(hits_of(RNG, 0.7), LABELS, (LABELS + 1) % 4)
        accuracy = RNG.random(50)
        names = list(NAMES[:30])
        files = {
            "seg": {"image": names, "hits": hits, "truth": truth, "predicted": hits + wrong},
            "land": {"image": names, "error": errors},
            "class": {"image": list(NAMES), "label": LABELS, "prediction": guesses},
            "few": {"accuracy_5": accuracy, "episodes_5": ["one list"]},
        }
        for name, columns in files.items():
            save_predictions(tmp_path / f"predictions/{method}{name}.npz", columns)
        iou = (hits.sum(0) / (truth + wrong).sum(0)).mean()
        means = np.nanmean(errors, 1)
        per_class = mean_per_class_accuracy(from_numpy(guesses)[None], from_numpy(LABELS)[None])
        values = [
            ("segmentation", "mIoU", iou, "seg"),
            ("segmentation", "pixel accuracy", hits.sum() / truth.sum(), "seg"),
            ("landmarks", "NME", means.mean(), "land"),
            ("landmarks", "failures above 8 %", (means > 0.08).mean(), "land"),
            ("landmarks", "AUC to 10 %", (1 - means / 0.1).clip(0).mean(), "land"),
            ("readout", "mean per class", float(per_class), "class"),
            ("few_shot", "5-way 5-shot logistic", accuracy.mean(), "few"),
        ]
        records += [
            record(method, 100 * value, task, metric=metric, job=method + file,
                   settings={"shots": 5} if file == "few" else {})
            for task, metric, value, file in values
        ]  # fmt: skip
    records.append(record("a", 1.0, "readout"))  # so that the task has its headline
    rows = {
        row.metric: row.how.partition(",")[0]
        for row in compare(records, folders=[tmp_path]).differences
    }
    assert rows == {
        **dict.fromkeys(["mIoU", "pixel accuracy", "NME"], "paired bootstrap over 30 images"),
        **dict.fromkeys(["failures above 8 %", "AUC to 10 %"], "paired bootstrap over 30 images"),
        "mean per class": "paired bootstrap over 200 images",
        "5-way 5-shot logistic": "paired bootstrap over 50 episodes",
    }


def test_holm_counts_the_headlines_of_the_whole_report_and_the_rest_apart(tmp_path):
    right = hits_of(RNG, 0.6)
    fewer = right & (np.cumsum(right) > 7)  # McNemar: p = 2 / 2^7
    records = []
    for dataset in ("pets", "cars", "food", "dogs"):
        for method, each in [("a", right), ("b", fewer if dataset == "pets" else right)]:
            records.append(classified(tmp_path, method, each, dataset=dataset))
    rows = compare(records, folders=[tmp_path]).differences
    assert [row.p for row in rows] == pytest.approx([2 / 2**7, 1, 1, 1])
    assert rows[0].p_adjusted == pytest.approx(4 * 2 / 2**7)
    assert rows[0].low > 0  # its own interval excludes 0, and it is not significant
    assert not rows[0].significant
    assert compare(records, folders=[tmp_path]).verdict()[1] == (
        "No significant difference between a and b in 4 results."
    )
    assert compare(records[:2], folders=[tmp_path]).differences[0].significant


def test_one_metric_counts_for_each_task():
    written = [
        *[("readout", metric) for metric in ("ECE", "top-1", "mean per class")],
        *[("few_shot", f"5-way {shots}-shot logistic") for shots in (1, 20, 5)],
        *[("detection", metric) for metric in ("box AP50", "box AP", "mask AP")],
        *[("landmarks", metric) for metric in ("failures above 8 %", "NME")],
        *[("my_task", metric) for metric in ("skill", "speed")],
        *[("stage2_knn", "top-1"), ("stage4_geometry", "RankMe"), ("transferability", "LogME")],
        *[("layer3_similarity", "CKA"), ("tide", "AP50"), ("segmentation", "IoU, sky")],
    ]
    results = [Result(task, metric, "d", "%", "", True) for task, metric in written]
    assert [(result.task, result.metric) for result in choose_headlines(results)] == [
        ("readout", "top-1"),
        ("few_shot", "5-way 5-shot logistic"),
        ("detection", "box AP"),
        ("landmarks", "NME"),
        ("my_task", "skill"),
    ]


def test_what_is_not_significantly_below_the_best_is_bold(tmp_path):
    right = hits_of(RNG, 0.6)
    slightly, much = right & (np.cumsum(right) > 2), right & (np.cumsum(right) > 60)
    records = [
        classified(tmp_path, name, each)
        for name, each in [("best", right), ("near", slightly), ("far", much)]
    ]
    records += [record(name, value, "geometry", metric="RankMe", unit="")
                for name, value in [("best", 5.0), ("near", 6.0)]]  # fmt: skip
    comparison = compare(records, folders=[tmp_path])

    def bold(table):
        return [[cell.style == "bold" for cell in column.cells] for column in table.columns[1:]]

    assert bold(results_table(records)) == [[True, False, False], [False, True, False]]
    table = results_table(records, comparison=comparison)
    assert bold(table) == [[True, True, False], [False, True, False]]
    assert table.caption.plain.splitlines()[-1] == (
        "Bold: the best and all that are not significantly below it (95 % interval of the "
        "difference and Holm's correction); in results that are not compared, the best."
    )
    text = write_table(records, tmp_path / "table.csv", comparison=comparison).read_text()
    assert [line.split(",")[12] for line in text.splitlines()[1:4]] == ["True", "True", "False"]


def test_a_table_refuses_a_comparison_of_other_records():
    records = [record("a", 70.0), record("b", 60.0)]
    comparison = compare(records)
    with pytest.raises(ValueError, match=r"`comparison` must be of `records`.*'c'.*no such value"):
        results_table([*records, record("c", 50.0)], comparison=comparison)
    with pytest.raises(ValueError, match=r"`comparison` must be of `records`.*got 60\.0"):
        results_table([records[0], record("b", 61.0)], comparison=comparison)


@pytest.mark.parametrize(
    ("records", "kind", "message"),
    [
        ([], ValueError, r"`records` must be a list of at least one record, got \[\]"),
        ([3], TypeError, r"`records` must be a list of records, got 3"),
        (
            [record("a", 1.0)._replace(value=float("nan"))],
            ValueError,
            "`top-1 of knn on pets` must be a finite number",
        ),
    ],
)
def test_other_records_are_refused(records, kind, message):
    with pytest.raises(kind, match=message):
        compare(records)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="`folders` must be a folder that is there"):
        compare([record("a", 1.0)], folders=[tmp_path / "none"])
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions/x.npz").write_bytes(b"broken")
    with pytest.raises(ValueError, match="is no file of predictions, or damaged"):
        compare([record("a", 1.0, job="x"), record("b", 2.0)], folders=[tmp_path])
