"""The figure as a file."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from instdisc.report import results_figure
from instdisc.types import Record


def record(method, task="knn", value=50.0, half=1.2, **fields):
    ends = {} if half is None else {"low": value - half, "high": value + half}
    fields = {"dataset": "scenes", "metric": "top-1", "method": method} | ends | fields
    return Record(task, value=value, **fields)


@pytest.fixture
def axes(monkeypatch):
    """The axes of the last figure that was saved."""
    kept = []
    save = Figure.savefig

    def saved(figure, *args, **kwargs):
        kept[:] = figure.axes
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", saved)
    return kept


def test_figure_is_a_picture_of_plausible_size(tmp_path):
    records = [record(m, t) for m in ("random", "MoCo", "Exemplar") for t in ("knn", "linear")]
    path = tmp_path / "new" / "results.png"
    assert results_figure(records, path, title="A title") == path
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        width, height = picture.size
        pixels = np.array(picture.convert("RGB")).reshape(-1, 3)
    assert height == pytest.approx(3.6 * 150, abs=2)
    assert 400 < width < 1500
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    strong = counts[(np.ptp(colours.astype(int), axis=1) > 60)]
    assert (strong > 500).sum() == 3  # a colour for each method


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_the_suffix_chooses_the_format(tmp_path, suffix):
    path = results_figure([record("MoCo", half=None)], str(tmp_path / f"x.{suffix}"))
    start = path.read_bytes()[:300]
    assert (b"<svg" in path.read_bytes()) if suffix == "svg" else start.startswith(b"%PDF")


def test_a_task_that_one_method_lacks(tmp_path):
    results_figure([record("a"), record("a", "linear"), record("b", "linear")], tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("value", "low", "high"), [(100.0, 83.9, 100.0), (71.5, 70.0, 71.2), (50.0, 40.0, 55.0)]
)
def test_intervals_are_drawn_from_end_to_end(tmp_path, axes, value, low, high):
    results_figure([record("a", value=value, half=None, low=low, high=high)], tmp_path / "x.png")
    (line,) = [c for c in axes[0].collections if len(c.get_segments())]
    ((_, bottom), (_, top)) = line.get_segments()[0]
    assert (bottom, top) == pytest.approx((low, high))


def test_a_record_without_an_interval_has_none_drawn(tmp_path, axes):
    results_figure([record("a", half=None)], tmp_path / "x.png")
    assert not axes[0].collections
    assert axes[0].figure.get_supxlabel() == ""


def test_the_figure_says_what_its_intervals_are(tmp_path, axes):
    records = [
        record("a", interval="Wilson, 600 images"),
        record("a", "linear", interval="bootstrap over 600 images, 1000 resamples"),
    ]
    results_figure(records, tmp_path / "x.png")
    said = axes[0].figure.get_supxlabel().replace("\n", " ")
    assert said == (
        "Lines: 95 % intervals: Wilson, 600 images (knn top-1); bootstrap over 600 images, 1000 "
        "resamples (linear top-1)."
    )


def test_names_are_shown_as_they_are(tmp_path, axes):
    results_figure([record("_a$b$"), record("$\\nothing")], tmp_path / "x.png", title="$x_")
    texts = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert [text.strip("\u200b").replace("\\$", "$") for text in texts] == ["_a$b$", "$\\nothing"]


def test_several_metrics_are_named_at_their_tasks(tmp_path, axes):
    results_figure([record("a"), record("a", "few_shot", metric="5-way")], tmp_path / "x.png")
    assert [t.get_text() for t in axes[0].get_xticklabels()] == ["knn\ntop-1", "few_shot\n5-way"]
    assert axes[0].get_ylabel() == "%"


def test_architectures_of_one_name_have_a_bar_each(tmp_path, axes):
    records = [record("a", architecture=name, weights=name) for name in ("r18", "r50")]
    results_figure(records, tmp_path / "x.png")
    texts = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert texts == ["a (r18)", "a (r50)"]


def test_bad_records(tmp_path):
    with pytest.raises(ValueError, match="`records` must be a list of at least one record"):
        results_figure([], tmp_path / "x.png")
    seeds = [record("MoCo", seed=0), record("MoCo", value=51.0, seed=1), record("a")]
    views = [record("MoCo", view={"size": s}) for s in (224, 96)]
    sets = [record("MoCo", dataset=s) for s in ("cars", "pets")]
    for records in (seeds, views, sets):
        with pytest.raises(
            ValueError, match="one record per task and method, got 2 of 'MoCo' on 'knn'"
        ):
            results_figure(records, tmp_path / "x.png")
    with pytest.raises(ValueError, match="`records` must be of one kind for the task 'knn', got"):
        results_figure([record("a"), record("b", dataset="pets")], tmp_path / "x.png")
    with pytest.raises(ValueError, match="of one kind for the task 'knn', got"):
        results_figure([record("a"), record("b", metric="ECE")], tmp_path / "x.png")
    with pytest.raises(ValueError, match="`records` must be of one dataset, got"):
        results_figure([record("a"), record("a", "linear", dataset="pets")], tmp_path / "x.png")
    with pytest.raises(ValueError, match="`records` must be of one unit, got"):
        results_figure([record("a"), record("a", "rank", unit="")], tmp_path / "x.png")
    with pytest.raises(ValueError, match="`value` must be a finite number"):
        results_figure([record("a", value=float("nan"))], tmp_path / "x.png")
