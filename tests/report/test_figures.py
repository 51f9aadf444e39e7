"""The figure as a file."""

import numpy as np
import pytest
from PIL import Image

from instdisc.report import results_figure
from instdisc.types import Record


def record(method, task="knn", value=50.0, ci=1.2, seed=0):
    return Record(task, "scenes", "top-1", value, ci, "%", method, "", seed, 3.1, {})


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
    path = results_figure([record("MoCo", ci=None)], str(tmp_path / f"x.{suffix}"))
    start = path.read_bytes()[:300]
    assert (b"<svg" in path.read_bytes()) if suffix == "svg" else start.startswith(b"%PDF")


def test_a_task_that_one_method_lacks(tmp_path):
    results_figure([record("a"), record("a", "linear"), record("b", "linear")], tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_bad_records(tmp_path):
    with pytest.raises(ValueError, match="`records` must hold at least one record, got none"):
        results_figure([], tmp_path / "x.png")
    seeds = [record("MoCo", seed=0), record("MoCo", seed=1), record("a")]
    with pytest.raises(
        ValueError, match="one record per task and method, got 2 of 'MoCo' on 'knn'"
    ):
        results_figure(seeds, tmp_path / "x.png")
