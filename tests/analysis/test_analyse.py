"""Analyses by name: records, arrays and figures, not made twice."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from instdisc import Backbone, Record, Scenes
from instdisc.analysis import ANALYSES, Analysis, analyse
from instdisc.transfer import TASKS, Task, read_predictions, save_predictions

calls: list[str] = []


def count_pixels(backbone, test, *, thumbnail: int = 64, seed=0, about=None, arrays=None):
    """An analysis of each checkpoint."""
    calls.append(about.method)
    save_predictions(arrays, {"mean": np.array([float(test.read(0).float().mean())] * thumbnail)})
    return Record("pixels", about.dataset, "count", len(test), method=about.method)


def pixel_figure(arrays):
    drawn.append(arrays)
    return Figure((2, 1))


def compare_names(backbones, test, *, about=None, arrays=None):
    """An analysis of all checkpoints together."""
    save_predictions(arrays, {"names": list(backbones)})
    return Record("names", about.dataset, "count", len(backbones), method=" and ".join(backbones))


def broken_figure(arrays):
    raise KeyError("matrix")


drawn: list[object] = []


@pytest.fixture(autouse=True)
def analyses(monkeypatch):
    calls.clear()
    drawn.clear()
    monkeypatch.setitem(TASKS, "pixels", Task(count_pixels, ("test",), "images"))
    monkeypatch.setitem(TASKS, "names", Task(compare_names, ("test",), "images", together=True))
    monkeypatch.setitem(ANALYSES, "pixels", Analysis({"pixels": pixel_figure}))
    monkeypatch.setitem(ANALYSES, "names", Analysis({"names": pixel_figure, "bad": broken_figure}))


@pytest.fixture
def look(tmp_path):
    torch.manual_seed(0)
    backbones = {name: Backbone("test_resnet") for name in ("a", "b")}

    def call(names, **keywords):
        sets = {"some/scenes": Scenes(20, image_size=32, num_categories=2)}
        return analyse(
            backbones, sets, analyses=names, out=tmp_path, image_size=32, progress=False, **keywords
        )

    return call


def test_each_checkpoint_and_all_together(look, tmp_path):
    records = look(["pixels", "names"])
    assert [(r.task, r.method) for r in records] == [
        ("pixels", "a"),
        ("pixels", "b"),
        ("names", "a and b"),
    ]
    assert list(drawn[0]) == ["a", "b"]
    assert drawn[0]["a"]["mean"].shape == (64,)
    assert drawn[1]["names"].tolist() == ["a", "b"]
    assert (tmp_path / "figures" / "some_scenes_pixels.png").stat().st_size > 0
    (missing,) = records.missing
    assert missing.what == "the figure bad of some/scenes"
    assert "matrix" in missing.why
    assert not list((tmp_path / "figures").glob(".*"))


def test_what_stands_there_is_drawn_and_not_made_again(look, tmp_path):
    look(["pixels"])
    (tmp_path / "figures" / "some_scenes_pixels.png").unlink()
    look(["pixels"])
    assert calls == ["a", "b"]
    assert (tmp_path / "figures" / "some_scenes_pixels.png").is_file()


def test_no_thumbnails_and_no_figures(look, tmp_path):
    records = look(["pixels"], thumbnails=False, figures=False)
    assert read_predictions(records.kept[0].path)["mean"].shape == (0,)
    assert not (tmp_path / "figures").exists()


def test_arrays_that_are_gone_are_made_again(look):
    first = look(["pixels"])
    first.kept[1].path.unlink()
    again = look(["pixels"])
    assert calls == ["a", "b", "b"]
    assert again == first
    assert not again.missing
    assert again.kept[1].path.is_file()


def test_what_is_no_analysis(look):
    with pytest.raises(ValueError, match="`analyses` must be one of .*got 'pixel'. Did you mean"):
        look(["pixel"])
    for wrong in ("pixels", []):
        with pytest.raises(ValueError, match="`analyses` must be a list of at least one name"):
            look(wrong)
