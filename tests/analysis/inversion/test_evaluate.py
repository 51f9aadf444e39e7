import json

import numpy as np
import pytest
import torch

from instdisc.analysis.inversion import INVERSION, evaluate_inversion, inversion_figure
from instdisc.data import Scenes
from instdisc.metrics import t_interval
from instdisc.models import Backbone
from instdisc.transfer import read_predictions

IMAGES = Scenes(6, image_size=32)
FAST = {"num_images": 3, "stages": [1, 4], "steps": 2, "channels": [4, 4], "image_size": 32}


@pytest.fixture(scope="module")
def backbone():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Backbone("test_resnet")


@pytest.fixture(scope="module")
def run(backbone, tmp_path_factory):
    file = tmp_path_factory.mktemp("inversion") / "inversion.npz"
    return evaluate_inversion(backbone, IMAGES, arrays=file, **FAST), read_predictions(file), file


def test_records(run):
    records, arrays, _ = run
    told = [
        (record.task, record.metric, record.unit, record.higher_is_better) for record in records
    ]
    assert told == [
        (f"stage{stage}_inversion", *rest)
        for stage in (1, 4)
        for rest in [
            ("SSIM", "", True),
            ("PSNR", "dB", True),
            ("feature error", "%", False),
        ]
    ]  # fmt: skip
    ssim = arrays["distances"][0, 0]
    assert records[0].value == pytest.approx(ssim.mean())
    assert (records[0].low, records[0].high) == pytest.approx(t_interval(ssim.tolist()))
    assert records[0].interval == "t, 3 images"
    assert records[0].n == 3
    assert records[0].dataset == "scenes"
    assert records[3].settings["stage"] == 4
    assert records[3].settings["steps"] == 2
    json.dumps(records[0].to_json())


def test_arrays(run):
    _, arrays, file = run
    assert arrays["stages"].tolist() == [1, 4]
    assert arrays["distance_names"].tolist() == ["SSIM", "PSNR"]
    assert arrays["distances"].shape == (2, 2, 3)
    assert arrays["feature_errors"].shape == (2, 3)
    assert arrays["losses"].shape == (2, 2, 3)
    assert arrays["originals"].shape == (3, 32, 32, 3)
    assert arrays["reconstructions"].shape == (2, 3, 32, 32, 3)
    assert arrays["reconstructions"].dtype == np.uint8
    assert len(set(arrays["image"].tolist())) == 3
    name = int(arrays["image"][0])
    assert np.abs(arrays["originals"][0] - IMAGES.read(name).permute(1, 2, 0).numpy()).max() <= 1
    assert [path.name for path in file.parent.iterdir()] == ["inversion.npz"]


def test_in_parts_as_together(backbone, run):
    in_parts = evaluate_inversion(backbone, IMAGES, at_once=2, **FAST)
    values = [[record.value for record in records] for records in (run[0], in_parts)]
    assert values[1] == pytest.approx(values[0], rel=0.02)


def test_killed_and_resumed(backbone, run, tmp_path):
    def stop(step, steps):
        assert steps == 2 * 2 * 3
        if step == 9:  # in the second stage
            raise KeyboardInterrupt

    file = tmp_path / "inversion.npz"
    with pytest.raises(KeyboardInterrupt):
        evaluate_inversion(backbone, IMAGES, arrays=file, progress=stop, **FAST)
    assert not file.exists()
    assert len(list(tmp_path.iterdir())) == 1  # the first stage
    seen = []
    evaluate_inversion(
        backbone, IMAGES, arrays=file, progress=lambda step, _: seen.append(step), **FAST
    )
    assert seen == [9, 12]
    assert [path.name for path in tmp_path.iterdir()] == ["inversion.npz"]
    for name, values in read_predictions(file).items():
        assert np.array_equal(values, run[1][name]), name


def test_thumbnails(backbone, tmp_path):
    file = tmp_path / "inversion.npz"
    evaluate_inversion(backbone, IMAGES, arrays=file, thumbnail=8, **FAST)
    assert read_predictions(file)["reconstructions"].shape == (2, 3, 8, 8, 3)
    evaluate_inversion(backbone, IMAGES, arrays=file, thumbnail=0, **FAST)
    arrays = read_predictions(file)
    assert "originals" not in arrays
    assert not any(axes.images for axes in inversion_figure({"random": arrays}).axes)
    assert any(axes.lines for axes in inversion_figure({"random": arrays}).axes)


def test_one_image_has_no_interval(backbone):
    options = {**FAST, "num_images": 1, "stages": [1]}
    assert evaluate_inversion(backbone, IMAGES, **options)[0].low is None


def test_figure(run, tmp_path):
    arrays = run[1]
    other = {**arrays, "stages": np.array([2, 4])}
    figure = inversion_figure({"random": arrays, "MoCo": other})
    grid = np.array(figure.axes).reshape(6, 4)  # 3 images x 2 checkpoints; original, 3 stages
    assert [place.get_title() for place in grid[0]] == ["original", "stage 1", "stage 2", "stage 4"]
    assert [row[0].get_ylabel() for row in grid[:3]] == ["random", "MoCo", "random"]
    assert np.array_equal(grid[2, 0].images[0].get_array(), arrays["originals"][1])
    assert np.array_equal(grid[2, 3].images[0].get_array(), arrays["reconstructions"][1, 1])
    assert grid[2, 3].get_xlabel().startswith(f"SSIM {arrays['distances'][0, 1, 1]:.2f}")
    assert not grid[2, 2].axison  # the first has no stage 2
    assert not grid[3, 1].axison
    figure.savefig(tmp_path / "grid.png")
    with pytest.raises(ValueError, match="`arrays` must be of the same images"):
        inversion_figure({"a": arrays, "b": {**arrays, "image": arrays["image"][::-1]}})
    with pytest.raises(ValueError, match="`arrays` must be the arrays of at least one checkpoint"):
        inversion_figure({})


def test_figure_without_pictures_draws_the_distances(run, tmp_path):
    arrays = {k: v for k, v in run[1].items() if k not in ("originals", "reconstructions")}
    fewer = {**arrays, "distance_names": arrays["distance_names"][:1]}
    fewer["distances"] = arrays["distances"][:1]
    figure = inversion_figure({"random": arrays, "_MoCo $x": fewer})
    assert [axes.get_title() for axes in figure.axes] == arrays["distance_names"].tolist()
    for axes, values in zip(figure.axes, arrays["distances"], strict=True):
        assert np.allclose(axes.lines[0].get_ydata(), values.mean(1))
        assert not axes.images
    assert [len(axes.lines[1].get_ydata()) for axes in figure.axes[:2]] == [2, 0]
    figure.savefig(tmp_path / "curves.png")
    shown = [text.get_text().strip() for text in figure.legends[0].get_texts()]
    assert shown == ["random", r"_MoCo \$x"]
    with pytest.raises(ValueError, match="with 'originals' for every checkpoint"):
        inversion_figure({"a": run[1], "b": arrays})


def test_refuses(backbone, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="`num_images` must be .* at most 6, got 7"):
        evaluate_inversion(backbone, IMAGES, num_images=7)
    with pytest.raises(ValueError, match="`distances` must be one of"):
        evaluate_inversion(backbone, IMAGES, distances=["mse"])
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match="squeezenet1_1-b8a52dc0.pth"):
        evaluate_inversion(backbone, IMAGES, distances=["lpips_squeeze"])  # before any step


def test_as_a_task():
    assert INVERSION.options["num_images"] == 4
    json.dumps(INVERSION.options)
    INVERSION.check(INVERSION.options)
    for name, value in {
        "num_images": 0,
        "recipe": "other",
        "distances": [],
        "thumbnail": -1,
        "stages": [0],
        "channels": [],
        "learning_rate": 0,
        "total_variation": -1,
    }.items():
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            INVERSION.check({**INVERSION.options, name: value})
