"""Analyses by name: records, arrays and figures, not made twice."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from instdisc import Backbone, Record, Scenes
from instdisc.analysis import ANALYSES, Analysis, NothingToDraw, analyse
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


def test_figures_of_other_sets_and_analyses_have_other_files(tmp_path, monkeypatch):
    """ "a/b" and "a b" look alike, and so do b_pixels of "a" and pixels of "a/b"."""
    monkeypatch.setitem(ANALYSES, "names", Analysis({"b_pixels": pixel_figure}))
    sets = {name: Scenes(20, image_size=32, num_categories=2) for name in ("a/b", "a b", "a")}
    sets["\u00e9" * 300] = sets["a"]
    records = analyse(
        {"x": Backbone("test_resnet")},
        sets,
        analyses=["pixels", "names"],
        out=tmp_path,
        image_size=32,
        progress=False,
    )
    assert not records.missing
    assert len(drawn) == 8
    files = [file.name for file in (tmp_path / "figures").iterdir()]
    assert len(files) == 8
    assert {"a_b_pixels.png", "a_b_b_pixels.png", "a_pixels.png"} <= set(files)


def test_a_figure_without_need_is_not_missing_and_one_that_is_none_is(look, monkeypatch):
    def needless(arrays):
        raise NothingToDraw("no pair")

    figures = {"needless": needless, "nothing": lambda arrays: None}
    monkeypatch.setitem(ANALYSES, "pixels", Analysis(figures))
    (missing,) = look(["pixels"]).missing
    assert missing.what == "the figure nothing of some/scenes"
    assert missing.why == "TypeError: `figure` must be a matplotlib Figure, got None"


def test_stopped_by_hand_goes_on(look, monkeypatch, tmp_path):
    def stopped(backbone, test, *, about=None, arrays=None, **keywords):
        if about.method == "b":
            raise KeyboardInterrupt
        return count_pixels(backbone, test, about=about, arrays=arrays)

    monkeypatch.setitem(TASKS, "pixels", Task(stopped, ("test",), "images"))
    with pytest.raises(KeyboardInterrupt):
        look(["pixels"])
    monkeypatch.setitem(TASKS, "pixels", Task(count_pixels, ("test",), "images"))
    assert [record.method for record in look(["pixels"])] == ["a", "b"]
    assert not list(tmp_path.rglob("*.partial"))


def test_a_checkpoint_that_is_not_there(tmp_path):
    records = analyse(
        {"a": Backbone("test_resnet"), "b": tmp_path / "b.safetensors"},
        [Scenes(20, image_size=32)],
        analyses=["pixels", "names"],
        out=tmp_path / "out",
        image_size=32,
        progress=False,
    )
    assert [(record.task, record.method) for record in records] == [("pixels", "a"), ("names", "a")]
    assert records.missing[0].why == "there is no such file"


def test_bad_input_is_refused_before_anything_runs(look, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for out in (file, file / "below"):
        with pytest.raises(ValueError, match="`out` must be a.*is a file"):
            analyse({"a": Backbone("test_resnet")}, ["scenes"], out=out)
    with pytest.raises(TypeError, match="`out` must be a"):
        analyse({"a": Backbone("test_resnet")}, ["scenes"], out=None)
    for thumbnails in (True, False):
        with pytest.raises(TypeError, match="`options` must be a mapping"):
            look(["pixels"], options=[("pixels", {})], thumbnails=thumbnails)
        with pytest.raises(TypeError, match=r"`options\['pixels'\]` must be a mapping"):
            look(["pixels"], options={"pixels": 3}, thumbnails=thumbnails)
        with pytest.raises(ValueError, match="`options` are of the tasks pixels, got 'names'"):
            look(["pixels"], options={"names": {}}, thumbnails=thumbnails)
    for name in ("thumbnails", "figures"):
        with pytest.raises(TypeError, match=f"`{name}` must be True or False, got 'no'"):
            look(["pixels"], **{name: "no"})
    assert not calls


def test_an_analysis_without_a_task(look, monkeypatch):
    monkeypatch.setitem(ANALYSES, "drawing", Analysis({}))
    with pytest.raises(ValueError, match=r"got 'drawing'.*Add TASKS\['drawing'\] = Task"):
        look(["drawing"])


def test_what_is_no_analysis(look):
    with pytest.raises(ValueError, match="`analyses` must be one of .*got 'pixel'. Did you mean"):
        look(["pixel"])
    with pytest.raises(ValueError, match="`analyses` must be a list of at least one name"):
        look([])
    with pytest.raises(TypeError, match="`analyses` must be a sequence of texts"):
        look("pixels")
