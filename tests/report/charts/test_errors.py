"""Classes of two methods, and errors of detectors."""

import numpy as np
import pytest

from instdisc.report.charts import draw_classes, draw_detection_errors


def test_a_dot_for_each_class(made):
    # Of each class the first n of ten images are right.
    def hits(right):
        return [k // 4 < right[k % 4] for k in range(40)]

    records = [
        *made.predicted("MoCo", hits([9, 5, 5, 8])),
        *made.predicted("random", hits([1, 1, 1, 1])),
        *made.predicted("SupCon", hits([3, 8, 5, 8])),
    ]
    material, comparison = made.material(records)
    (chart,) = draw_classes(material, comparison)
    (axes,) = chart.figure.axes
    dots = {tuple(xy) for part in axes.collections for xy in part.get_offsets().tolist()}
    assert comparison.ranks[0].method == "MoCo"
    assert dots == {(30, 90), (80, 50), (50, 50), (80, 80)}
    assert axes.get_xlabel() == "SupCon: accuracy (%)"
    assert {text.get_text() for text in axes.texts} == {"class 0", "class 1"}
    assert "MoCo is better in 1 of 4 classes, SupCon in 1" in chart.alternative
    assert "class 0, 90.0 against 30.0 %" in chart.alternative


def test_classes_of_records(made):
    records = [
        made.record("segmentation", metric=metric, value=value + plus, method=method, job=method)
        for method, plus in (("MoCo", 10), ("random", 0))
        for metric, value in (("mIoU", 40.0), ("IoU, road", 30.0), ("IoU, sky", 50.0))
    ]
    (chart,) = draw_classes(*made.material(records))
    dots = [xy for part in chart.figure.axes[0].collections for xy in part.get_offsets().tolist()]
    assert dots == [[30, 40], [50, 60]]


def test_tide_and_hoiem(made):
    gains = {"dAP Cls": 3.0, "dAP Loc": 9.0, "dAP FalseNeg": 20.0, "Cls errors": 40.0}
    shares = {"Cor": 50.0, "Loc": 30.0, "Sim": 4.0, "Oth": 10.0, "BG": 6.0}
    records = [
        made.record(task, "voc", metric, value + plus, method=method, unit=unit)
        for method, plus in (("MoCo", 0.0), ("random", 1.0))
        for task, metrics, unit in (("tide", gains, "AP"), ("hoiem", shares, "%"))
        for metric, value in metrics.items()
    ]
    tide, hoiem = draw_detection_errors(*made.material(records))
    (axes,) = tide.figure.axes
    rows = ["wrong class", "wrong place", "all false negatives"]
    assert [label.get_text() for label in axes.get_yticklabels()] == rows
    dots = {line.get_xdata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 1}
    assert dots == {3, 9, 20, 4, 10, 21}
    spans = {tuple(map(float, line.get_xdata())) for line in axes.get_lines()}
    assert {(1, 6), (7, 12), (18, 23)} < spans
    assert "MoCo would gain most, 9.0 points, by mending wrong place" in tide.alternative
    bars = hoiem.figure.axes[0].patches
    first = sorted((bar.get_x(), bar.get_width()) for bar in bars if abs(bar.get_y()) < 0.5)
    assert np.array(first) == pytest.approx(
        np.array([(0, 50), (50, 30), (80, 4), (84, 10), (94, 6)])
    )


def test_masks_stand_apart(made):
    records = [
        made.record("tide", "coco", f"{kind}dAP {name}", 3.0, unit="AP")
        for kind in ("", "mask ")
        for name in ("Cls", "Loc")
    ]
    names = [chart.name for chart in draw_detection_errors(*made.material(records))]
    assert names == ["tide-coco", "tide-coco-masks"]


@pytest.mark.parametrize("draw", [draw_classes, draw_detection_errors])
def test_nothing_without_data(made, draw):
    records = [made.record(method=method) for method in ("MoCo", "random")]
    assert draw(*made.material(records)) == []
