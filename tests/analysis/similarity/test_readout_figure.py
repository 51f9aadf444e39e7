"""One measurement over another: which points are drawn, and what is refused."""

import math

import pytest

from instdisc.analysis.similarity import readout_figure
from instdisc.metrics import t_interval
from instdisc.types import Record


def record(method, task="readout", metric="top-1", value=50.0, dataset="voc", **more):
    return Record(task=task, dataset=dataset, metric=metric, value=value, method=method, **more)


READOUT = [
    record("MoCo", value=60.0, low=58.0, high=61.5),
    record("supervised", value=76.0, low=74.0, high=78.0),
]
DETECTION = [record(m, "detection", "box AP", v) for m, v in (("MoCo", 57.0), ("supervised", 53.0))]


def lines(figure):
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in figure.axes[0].lines]


def test_points_and_intervals(tmp_path):
    figure = readout_figure([*READOUT, *DETECTION, record("other", task="knn")])
    figure.savefig(tmp_path / "figure.png")
    assert lines(figure) == [
        ([60.0], [57.0]),
        ([58.0, 61.5], [57.0, 57.0]),
        ([76.0], [53.0]),
        ([74.0, 78.0], [53.0, 53.0]),
    ]
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["MoCo", "supervised"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "readout, voc: top-1 (%)",
        "detection, voc: box AP (%)",
    )


def test_seeds_become_their_mean_with_a_t_interval():
    seeds = [
        record("MoCo", "detection", "box AP", value, seed=i) for i, value in enumerate((55, 57, 62))
    ]
    figure = readout_figure([*READOUT, *seeds, DETECTION[1]])
    assert ([60.0], [58.0]) in lines(figure)
    assert ([60.0, 60.0], list(t_interval([55, 57, 62]))) in lines(figure)
    two = readout_figure([*READOUT, *seeds[:2], DETECTION[1]])
    assert ([60.0], [56.0]) in lines(two)
    assert len(lines(two)) == 4  # no interval of two


def test_refusals():
    with pytest.raises(ValueError, match="`y` must be measured for.*'SupCon' has none"):
        readout_figure([*READOUT, record("SupCon"), *DETECTION])
    with pytest.raises(ValueError, match="`x` must be measured for every method"):
        readout_figure([*READOUT, *DETECTION, record("SupCon", "detection", "box AP")])
    with pytest.raises(ValueError, match="`records` must be of at least two methods"):
        readout_figure([READOUT[0], DETECTION[0]])
    with pytest.raises(ValueError, match="`y` must be a measurement of `records`, such as"):
        readout_figure(READOUT)
    both = [*READOUT, *DETECTION, record("MoCo", dataset="coco")]
    with pytest.raises(ValueError, match="`x` must be of one dataset, got.*Add the data set"):
        readout_figure(both)
    assert readout_figure(both, x=("readout", "top-1", "voc"))
    with pytest.raises(TypeError, match="`x` must be a sequence of texts"):
        readout_figure(READOUT, x="readout")
    with pytest.raises(TypeError, match="`records` must be a list of records"):
        readout_figure([{"task": "readout"}])
    with pytest.raises(ValueError, match="`value` must be a finite number, got nan"):
        readout_figure([record("MoCo", value=math.nan), READOUT[1], *DETECTION])
