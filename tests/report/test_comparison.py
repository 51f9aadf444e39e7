"""Comparisons of records: planted cases, and ranks and tests against scipy."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

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
