"""Pictures of test images that the suite keeps for a report."""

import io
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.data import Scenes
from instdisc.models import Backbone
from instdisc.predictions import read_predictions
from instdisc.transfer import run_suite
from instdisc.transfer.suite.checking import check_options, without_thumbnails
from instdisc.transfer.suite.thumbnails import choose_names
from instdisc.transfer.thumbnails import encode_picture, spread_order

SCENES = Scenes(60, image_size=160, num_categories=3)


def suite(folder, names, **options):
    backbones = {}
    for seed, name in enumerate(names):
        torch.manual_seed(seed)
        backbones[name] = Backbone("test_resnet")
    return run_suite(
        backbones, [SCENES], tasks=["knn"], image_size=32, progress=False,
        results=folder / "results.jsonl", **options,
    )  # fmt: skip


def test_kept_where_the_records_point_to_and_added_to(tmp_path):
    records = suite(tmp_path, ["a"])
    (file,) = (tmp_path / "pictures").iterdir()
    assert file.stem == records[0].settings["data"][-1]
    kept = read_predictions(file)
    tested = set(read_predictions(tmp_path / "predictions" / f"{records[0].job}.npz")["image"])
    assert set(kept["image"]) <= tested
    assert kept["classes"].tolist() == list(SCENES.classes)
    last = Image.open(io.BytesIO(kept["picture"][kept["picture_ends"][-2] :].tobytes()))
    assert last.size == (112, 112)
    before = file.stat().st_mtime_ns
    suite(tmp_path, ["a"])
    assert file.stat().st_mtime_ns == before  # nothing was lacking


@pytest.mark.parametrize("options", [{"thumbnails": False}, {"predictions": False}])
def test_nothing_is_kept_where_it_is_not_wanted(tmp_path, options):
    suite(tmp_path, ["a"], **options)
    assert not (tmp_path / "pictures").exists()


def test_without_thumbnails_no_task_keeps_pictures():
    tasks = ["knn", "segmentation", "detection_errors"]
    options = without_thumbnails({"segmentation": {"steps": 1}}, tasks)
    assert options["segmentation"] == {"steps": 1, "thumbnail": 0}
    assert options["detection"] == {"thumbnail": 0}
    assert "knn" not in options
    check_options(tasks, options, image_size=None, precision="32-true")


def test_the_images_on_which_methods_differ_are_chosen():
    names = [f"{number}" for number in range(400)]
    generator = np.random.default_rng(0)
    label = generator.integers(3, size=400)
    predictions = {
        method: {
            "image": np.array(names), "label": label, "confidence": generator.random(400),
            "prediction": np.where(generator.random(400) < 0.5, label, (label + 1) % 3),
        }
        for method in "abc"
    }  # fmt: skip
    chosen = choose_names({"knn": predictions}, names)
    assert len(chosen) == len(set(chosen)) <= 264
    for a, b in product("abc", repeat=2):
        first, second = predictions[a], predictions[b]
        differ = (first["prediction"] == label) & (second["prediction"] != label)
        surest = sorted(np.flatnonzero(differ), key=lambda row: -second["confidence"][row])[:6]
        assert {names[row] for row in surest} <= set(chosen)
    # Those that depend on the names alone serve a comparison with another results file.
    alone = choose_names({"knn": {"a": predictions["a"]}}, names[::-1])
    assert len(alone) == 64
    assert set(alone) <= set(chosen)


def test_order_depends_on_names_alone():
    names = ["b", "a", "c", "d"]
    order = [names[position] for position in spread_order(names)]
    assert order == [sorted(names)[position] for position in spread_order(sorted(names))]
    assert sorted(order) == sorted(names)


def test_small_images_are_not_enlarged():
    file = encode_picture(torch.zeros(3, 8, 20, dtype=torch.uint8), 30)
    assert Image.open(io.BytesIO(file.tobytes())).size == (20, 8)


def test_views_of_the_pretraining_are_kept(tmp_path):
    file = export_backbone(Backbone("test_resnet"), tmp_path / "run/checkpoints/net.safetensors")
    Image.new("RGB", (60, 2000), "red").save(tmp_path / "run" / "views.png")
    (record, *_) = run_suite(
        [file], [SCENES], tasks=["knn"], image_size=32, progress=False,
        results=tmp_path / "results.jsonl",
    )  # fmt: skip
    with Image.open(tmp_path / "pictures" / f"views-{record.weights}.webp") as picture:
        assert picture.size == (27, 900)
