"""Curves: their points are the records', in the panel of their data set."""

import csv

import numpy as np
import pytest

from instdisc.report.charts import (
    draw_landmark_error,
    draw_reliability,
    draw_shares,
    draw_shots,
    draw_stages,
    draw_training,
)


def curves(axes):
    """{(x of the points, y of the points)} of the lines, and the vertical lines."""
    lines, spans = set(), set()
    for line in axes.get_lines():
        x, y = (tuple(float(round(v, 6)) for v in side) for side in line.get_data())
        (spans if len(set(x)) == 1 else lines).add((x, y))
    return lines, spans


def test_few_shot_accuracy_by_shots(made):
    records = [
        made.record("few_shot", dataset, f"5-way {shots}-shot logistic", value, method=method,
                    settings={"shots": shots})
        for dataset, plus in (("pets", 0), ("cars", 10))
        for method, more in (("MoCo", 5), ("random", 0))
        for shots, value in ((1, 30.0 + plus + more), (5, 50.0 + plus + more))
    ]  # fmt: skip
    (chart,) = draw_shots(*made.material(records))
    pets, cars = chart.figure.axes
    assert pets.get_title("left") == "pets, 5-way logistic"
    lines, spans = curves(pets)
    assert lines == {((1, 5), (35, 55)), ((1, 5), (30, 50))}
    assert ((5, 5), (53, 58)) in spans  # low and high of a point
    assert len(spans) == 4
    assert curves(cars)[0] == {((1, 5), (45, 65)), ((1, 5), (40, 60))}
    assert [text.get_text() for text in pets.get_xticklabels()] == ["1", "5"]
    assert "at 5 MoCo 55.0 %, random 50.0 %" in chart.alternative


def test_accuracy_by_stage(made):
    records = [
        made.record(f"stage{stage}_{probe}", value=value, settings={"stage": stage})
        for probe, plus in (("knn", 0), ("readout", 5))
        for stage, value in ((1, 20.0 + plus), (2, 40.0 + plus), (3, 35.0 + plus))
    ]
    (chart,) = draw_stages(*made.material(records))
    assert [axes.get_title("left") for axes in chart.figure.axes] == ["pets, knn", "pets, readout"]
    assert curves(chart.figure.axes[1])[0] == {((1, 2, 3), (25, 45, 40))}


def test_accuracy_by_share_and_number_of_labels(made):
    records = [
        made.record(
            "finetune", value=value, settings={"share": share, "per_class": None, "train": 9}
        )
        for share, value in ((0.1, 30.0), (1.0, 60.0), (0.01, 10.0))
    ]
    records += [
        made.record("linear_grid", value=value, settings={"share": 1.0, "per_class": count})
        for count, value in ((5, 20.0), (20, 40.0))
    ]
    of_share, of_class = draw_shares(*made.material(records))
    assert curves(of_share.figure.axes[0])[0] == {((1, 10, 100), (10, 30, 60))}
    assert curves(of_class.figure.axes[0])[0] == {((5, 20), (20, 40))}


def test_six_panels_are_a_figure(made):
    records = [
        made.record(f"stage{stage}_knn", f"set {k}", value=stage)
        for k in range(7)
        for stage in (1, 2)
    ]
    charts = draw_stages(*made.material(records))
    assert [len(chart.figure.axes) for chart in charts] == [6, 1]
    assert [chart.name for chart in charts] == ["stages", "stages-2"]


def test_cumulative_landmark_error(made):
    def nme(value, shares, **fields):
        settings = {"curve": {"error": [0, 5, 10], "share": shares}}
        fields |= {"settings": settings, "higher_is_better": False}
        return made.record("landmarks", "aflw", "NME", value, **fields)

    records = [
        nme(6.0, [0, 40, 80], seed=0),
        nme(5.0, [0, 60, 90], seed=1),
        nme(9.0, [0, 10, 50], method="random"),
    ]
    (chart,) = draw_landmark_error(*made.material(records))
    assert curves(chart.figure.axes[0])[0] == {
        ((0, 5, 10), (0, 50, 85)),  # the mean over seeds
        ((0, 5, 10), (0, 10, 50)),
    }
    assert chart.alternative == "aflw: mean error MoCo 5.5 %, random 9.0 %."


def test_reliability_is_accuracy_in_bins_of_confidence(made):
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.25, 1, 400).astype(np.float32)
    hits = rng.random(400) < confidence
    (chart,) = draw_reliability(*made.material(made.predicted("MoCo", hits, confidence=confidence)))
    lines = {line.get_marker(): line.get_data() for line in chart.figure.axes[0].get_lines()}
    (x, y) = lines["o"]
    expected = []
    for low in np.arange(0.2, 1, 0.1):  # a naive loop
        inside = (confidence >= low) & (confidence < low + 0.1)
        if inside.sum() >= 10:
            expected.append((100 * confidence[inside].mean(), 100 * hits[inside].mean()))
    assert np.array(expected) == pytest.approx(np.stack([x, y], 1), rel=1e-4)
    assert chart.alternative == "pets: ECE MoCo 7.0 %."


def test_reliability_needs_predictions(made):
    material = made.material([made.record("readout", metric="ECE", job="lost")])
    assert draw_reliability(*material) == []


def write_log(folder, version, rows):
    path = folder / "csv" / f"version_{version}" / "metrics.csv"
    path.parent.mkdir(parents=True)
    with path.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, ["epoch", "knn", "loss", "step"])
        writer.writeheader()
        writer.writerows(rows)


def test_training_curves_of_resumed_runs(made):
    run, other = made.folder / "run", made.folder / "deep" / "other"
    write_log(run, 2, [{"step": 1, "loss": 6.0}, {"step": 3, "knn": 0.25}])
    write_log(run, 10, [{"step": 3, "loss": 4.0}, {"step": 3, "knn": 0.5}])
    write_log(other, 0, [{"step": 1, "loss": 7.0}, {"step": 2, "loss": 5.0}])
    record = made.record(checkpoint=str(run / "checkpoints" / "last.ckpt"))
    (chart,) = draw_training(*made.material([record]))
    loss, knn = chart.figure.axes
    assert curves(loss)[0] == {((1, 3), (6, 4)), ((1, 2), (7, 5))}
    assert [line.get_data()[1].tolist() for line in knn.get_lines()] == [[50]]  # in percent
    (legend,) = chart.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["MoCo", "other"]
    assert "loss ends at MoCo 4, other 5" in chart.alternative


def test_a_folder_of_many_checkpoints_names_no_run(made):
    write_log(made.folder / "run", 0, [{"step": 1, "loss": 6.0}, {"step": 2, "loss": 5.0}])
    records = [
        made.record(method=method, checkpoint=str(made.folder / "run" / f"{method}.safetensors"))
        for method in ("MoCo", "random")
    ]
    (chart,) = draw_training(*made.material(records))
    assert [text.get_text() for text in chart.figure.legends[0].get_texts()] == ["run"]


def test_long_logs_are_averaged(made):
    rows = [{"step": k, "loss": float(k % 2)} for k in range(10_000)]
    write_log(made.folder / "run", 0, rows)
    (chart,) = draw_training(*made.material([made.record()]))
    (line,) = chart.figure.axes[0].get_lines()
    assert len(line.get_xdata()) == 200
    assert line.get_ydata() == pytest.approx(0.5)


def test_a_log_without_steps_is_refused(made):
    path = made.folder / "csv" / "version_0" / "metrics.csv"
    path.parent.mkdir(parents=True)
    path.write_text("loss\n1.0\n")
    with pytest.raises(ValueError, match=r"metrics.csv is no log of a run"):
        draw_training(*made.material([made.record()]))


@pytest.mark.parametrize(
    "draw",
    [draw_shots, draw_stages, draw_shares, draw_landmark_error, draw_reliability, draw_training],
)
def test_nothing_without_data(made, draw):
    single = made.record("few_shot", "pets", "5-way 5-shot logistic", settings={"shots": 5})
    assert draw(*made.material([made.record(), single, made.record("stage1_knn")])) == []
