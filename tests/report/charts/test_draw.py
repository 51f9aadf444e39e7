"""All charts at once: names, sizes, texts, and names that are no plain words."""

import io
import re
import sys

import matplotlib as mpl
import numpy as np
import pytest

from instdisc.report.charts import charts
from instdisc.report.charts.measured import label_methods
from instdisc.report.pooling import method_labels

ODD = ["random", "<b>MoCo & $x_1$</b>", "a \\ long_name " + "of 800 epochs " * 20, 'Exemplar "8"']
_MOST_BYTES = 150_000


@pytest.fixture
def everything(made):
    """A material with data for nearly every kind of chart, and its comparison."""
    records = []
    for k, method in enumerate([*ODD, *(f"m{k}" for k in range(6))]):
        for dataset in ("<cars> $5",):
            rng = np.random.default_rng(k)
            records += made.predicted(method, rng.random(40) < 0.3 + k / 40, dataset=dataset)
            records += [
                made.record(f"stage{stage}_knn", dataset, value=10.0 * stage + k, method=method)
                for stage in range(1, 5)
            ]
            records += [
                made.record(f"stage{stage}_factors", dataset, f"R2 {name}", 0.1 * stage, unit="",
                            method=method)
                for stage in range(1, 5)
                for name in ("size", "$colour$ of <it>")
            ]  # fmt: skip
        records += [
            made.record("tide", "voc", metric, 3.0 + k, unit="AP", method=method)
            for metric in ("dAP Cls", "dAP Loc", "dAP Miss")
        ]
        curve = {"error": [k / 2 for k in range(31)], "share": list(range(31))}
        records.append(
            made.record("landmarks", "aflw", "NME", method=method, settings={"curve": curve})
        )
    return made.material(records)


def test_odd_names_and_many_methods(everything):
    drawn = charts(*everything)
    names = [chart.name for chart in drawn]
    assert {re.sub("-.*", "", name) for name in names} == {
        *("forest", "differences", "stages", "classes", "reliability", "tide"),
        *("landmark", "factors"),
    }
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)
    saved = set()
    for chart in drawn:
        width, height = chart.figure.get_size_inches()
        assert 3.2 <= width <= 9
        assert height <= 12
        assert all((chart.title, chart.caption, chart.alternative))
        assert not any(axes.get_title() for axes in chart.figure.axes)
        kind = chart.name.split("-")[0]
        if kind in saved:
            continue
        saved.add(kind)
        file = io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none"}):
            chart.figure.savefig(file, format="svg")
        assert len(file.getvalue().encode()) < _MOST_BYTES, chart.name
        shown = re.sub("<[^>]*>", " ", file.getvalue())
        assert "\\$" not in shown  # dollars are shown, not their escape
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_no_records_no_charts(made):
    assert charts(*made.material([made.record()])) == []
    empty = made.material([made.record("stage1_geometry", metric="RankMe")])
    assert charts(*empty) == []


def test_labels_are_those_of_the_tables(made):
    records = [
        made.record(method=method, architecture=name, seed=seed, checkpoint=file, parameters=k)
        for k in range(2)
        for method in ("MoCo", "")
        for name in ("resnet50", "vit")
        for seed in range(2)
        for file in ("a/last.ckpt", f"b/{seed}.ckpt")
    ]
    assert label_methods(records * 2) == method_labels(records * 2)


def test_records_are_no_material(made):
    material, comparison = made.material([made.record()])
    with pytest.raises(TypeError, match=r"`material` must be .*Material"):
        charts(material.records, comparison)


def test_damaged_predictions_are_refused(made):
    records = made.predicted("MoCo", [True, False] * 8)
    material, comparison = made.material(records)
    (made.folder / "predictions" / f"{records[0].job}.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="no file of predictions, or damaged"):
        charts(material, comparison)
