"""Errors as records, arrays and figures, from detections that were kept or come in a file."""

import json

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from instdisc.analysis.errors import (
    TIDE_TYPES,
    diagnose,
    error_pictures,
    error_tiles,
    hoiem_figure,
    hoiem_records,
    kept_detections,
    tide,
    tide_figure,
    tide_records,
)
from instdisc.analysis.errors.task import ERRORS
from instdisc.data import ObjectSubset, SceneObjects, Scenes
from instdisc.models import Backbone
from instdisc.transfer import DetectionRecipe, detect, read_predictions, read_results
from instdisc.types import About, Detections

SIZE = 48


@pytest.fixture(scope="module")
def scenes():
    return SceneObjects(Scenes(6, image_size=SIZE, num_categories=3))


def noisy(scenes, masks=False):
    """Detections with all types of errors."""
    generator = torch.Generator().manual_seed(0)
    detections = []
    for place in range(len(scenes)):
        true = scenes.objects(place)
        shifts = torch.tensor([0.0, 2.0, 14.0])[:, None, None] * torch.ones(1, len(true.boxes), 4)
        boxes = torch.cat([(true.boxes + shifts).flatten(0, 1), torch.tensor([[0.0, 0, 6, 6]])])
        labels = torch.cat([true.labels, true.labels, (true.labels + 1) % 3, torch.tensor([0])])
        scores = torch.rand(len(labels), generator=generator).sort(descending=True).values
        kept = None
        if masks:
            kept = torch.cat([true.masks] * 3 + [torch.zeros(1, SIZE, SIZE, dtype=torch.bool)])
        detections.append(Detections(boxes, labels, scores, kept))
    return detections


def kept_of(detections, scenes):
    return {
        "image": np.array([str(name) for name in scenes.image_ids]),
        "boxes": torch.cat([one.boxes for one in detections]).numpy(),
        "labels": torch.cat([one.labels for one in detections]).numpy(),
        "scores": torch.cat([one.scores for one in detections]).numpy(),
        "boxes_ends": np.cumsum([len(one.boxes) for one in detections]),
    }


def test_records_of_tide(scenes):
    detections = noisy(scenes)
    records = tide_records(
        detections, scenes, num_resamples=50, seed=1, about=About("MoCo", dataset="test")
    )
    result = tide(detections, [scenes.objects(k) for k in range(6)], num_classes=3)
    values = {record.metric: record for record in records}
    assert list(values) == [
        "AP50",
        *(f"dAP {name}" for name in (*TIDE_TYPES, "FalsePos", "FalseNeg")),
        *(f"{name} errors" for name in TIDE_TYPES),
    ]
    assert values["AP50"].value == pytest.approx(100 * result.average_precision)
    assert values["dAP Cls"].value == pytest.approx(100 * result.gains["Cls"])
    assert values["Dupe errors"].value == pytest.approx(result.counts["Dupe"] / 6)
    assert {record.task for record in records} == {"tide"}
    assert values["AP50"].higher_is_better
    assert not values["dAP Loc"].higher_is_better
    assert (values["AP50"].unit, values["dAP Loc"].unit) == ("%", "AP")
    assert (records[0].method, records[0].dataset, records[0].n) == ("MoCo", "test", 6)
    assert records[0].interval == "bootstrap over 6 images, 50 resamples"
    for record in records:
        assert record.low <= record.high
        assert record.settings["threshold"] == 0.5
    bare = tide_records(detections, scenes, num_resamples=0)
    assert {record.low for record in bare} == {None}


def test_records_of_hoiem(scenes):
    records = hoiem_records(noisy(scenes), scenes, num_resamples=20)
    values = {record.metric: record for record in records}
    shares = [values[name].value for name in ("Cor", "Loc", "Sim", "Oth", "BG")]
    assert sum(shares) == pytest.approx(100)
    assert [values[name].higher_is_better for name in ("Cor", "Loc")] == [True, False]
    assert values["AP gain, no Loc"].unit == "AP"
    assert values["AP gain, mended Loc"].low <= values["AP gain, mended Loc"].high


def test_records_of_masks(scenes):
    detections = noisy(scenes, masks=True)
    records = tide_records(detections, scenes, kind="mask", num_resamples=0)
    records += hoiem_records(detections, scenes, kind="mask", num_resamples=0)
    assert all(record.metric.startswith("mask ") for record in records)
    assert records[0].settings["kind"] == "mask"


def test_a_file_of_another_detector(scenes, tmp_path):
    detections = noisy(scenes)
    rows = [
        {
            "image_id": scenes.image_ids[place],
            "category_id": scenes.category_ids[int(label)],
            "bbox": [*box[:2], box[2] - box[0], box[3] - box[1]],
            "score": float(score),
        }
        for place, one in enumerate(detections)
        for box, label, score in zip(one.boxes.tolist(), one.labels, one.scores, strict=True)
    ]
    file = tmp_path / "detections.json"
    file.write_text(json.dumps(rows))
    ours = tide_records(read_results(file, scenes), scenes, num_resamples=0)
    theirs = tide_records(detections, scenes, num_resamples=0)
    assert [r.value for r in ours] == pytest.approx([r.value for r in theirs], abs=1e-4)
    file.write_text(json.dumps([{**rows[0], "image_id": 77}]))
    with pytest.raises(ValueError, match="in image 77, which 'scenes' does not have"):
        read_results(file, scenes)


def test_detections_of_a_task_to_figures(scenes, tmp_path):
    recipe = DetectionRecipe(1, 2, 0.001, (), 0)
    detect(
        Backbone("test_resnet"), scenes, scenes, recipe=recipe, masks=False, norm="plain",
        precise_batches=1, short_sides=[SIZE], regions_per_image=8, accelerator="cpu",
        predictions=tmp_path / "kept.npz",
    )  # fmt: skip
    kept = read_predictions(tmp_path / "kept.npz")
    options = {"num_resamples": 10, "thumbnail": 24, "per_type": 1}
    records = diagnose(kept, scenes, arrays=tmp_path / "arrays.npz", **options)
    found = tide_records(kept_detections(kept, scenes), scenes, num_resamples=10)
    assert [r.value for r in records if r.task == "tide"] == [r.value for r in found]
    again = diagnose(kept, scenes, arrays=tmp_path / "again.npz", **options)
    for ours, theirs in zip(records, again, strict=True):
        assert (ours.value, ours.low, ours.high) == (theirs.value, theirs.low, theirs.high)
    arrays = read_predictions(tmp_path / "arrays.npz")
    for name, column in read_predictions(tmp_path / "again.npz").items():
        assert np.array_equal(arrays[name], column, equal_nan=column.dtype.kind == "f")


@pytest.fixture(scope="module")
def arrays(scenes, tmp_path_factory):
    file = tmp_path_factory.mktemp("arrays") / "arrays.npz"
    kept = kept_of(noisy(scenes), scenes)
    diagnose(kept, scenes, num_resamples=5, per_type=2, thumbnail=32, arrays=file)
    return read_predictions(file)


def test_arrays(arrays, scenes):
    assert arrays["tide_gains"].shape == arrays["tide_low"].shape == (8,)
    assert (arrays["tide_low"] <= arrays["tide_high"]).all()
    count = sum(len(one.labels) for one in noisy(scenes))
    assert len(arrays["tide_labels"]) == len(arrays["hoiem_labels"]) == count
    classes, ranks = len(arrays["classes"]), len(arrays["hoiem_multiples"])
    assert arrays["hoiem_shares"].shape == (classes, ranks, 5)
    sums = arrays["hoiem_shares"].sum(2)
    assert sums[~np.isnan(sums)] == pytest.approx(100)
    assert len(arrays["error_types"]) == len(arrays["error_tiles"])
    assert max(np.bincount(arrays["error_types"])) <= 2


def test_figures_show_the_arrays(arrays):
    assert isinstance(tide_figure({"MoCo": arrays}), Figure)
    bars = tide_figure({"MoCo": arrays}).axes[0]
    heights = [patch.get_height() for patch in bars.patches]
    assert heights == pytest.approx(arrays["tide_gains"].tolist())
    area = hoiem_figure({"MoCo": arrays}, classes=[str(arrays["classes"][0])]).axes[0]
    assert area.lines[0].get_ydata() == pytest.approx(arrays["hoiem_strong"][0])
    pictures = error_pictures({"MoCo": arrays, "other": arrays})
    shown = sum(len(axes.images) for axes in pictures.axes)
    assert shown == 2 * len(arrays["error_types"])


def test_figures_can_be_saved(arrays, tmp_path):
    few = {**arrays, "error_types": arrays["error_types"][:1]}
    for figure in (tide_figure, hoiem_figure, error_pictures):
        figure({"a": few}).savefig(tmp_path / f"{figure.__name__}.png", dpi=30)
    assert len(list(tmp_path.iterdir())) == 3


def test_figures_refuse_what_they_cannot_draw(arrays):
    for figure in (tide_figure, hoiem_figure, error_pictures):
        with pytest.raises(ValueError, match="`arrays` must be the arrays of at least one"):
            figure({})
        with pytest.raises(ValueError, match="`arrays` must be with"):
            figure({"a": arrays, "b": {}})
    with pytest.raises(ValueError, match="`classes` must be one of"):
        hoiem_figure({"a": arrays}, classes=["zebra"])


def test_tiles_show_detection_and_object(scenes):
    true = scenes.objects(0)
    box, label = true.boxes[:1], true.labels[:1]
    aside = 0.4 * (box[:, 2:3] - box[:, :1]) * torch.tensor([[1.0, 0, 1, 0]])  # overlap 0.6 / 1.4
    moved = Detections(box + aside, label, torch.tensor([0.5]), None)
    one = ObjectSubset(scenes, torch.tensor([0]))
    result = tide([moved], [true], num_classes=3)
    tiles = error_tiles(result, one, per_type=1, thumbnail=20)
    assert TIDE_TYPES[int(tiles["error_types"][0])] == "Loc"
    assert np.diff(tiles["error_objects"][0] - tiles["error_boxes"][0])[0] > 0
    assert tiles["error_texts"][0].startswith(f"{scenes.classes[int(true.labels[0])]} 0.50")
    left, top, right, bottom = tiles["error_boxes"][0]
    width, height = (true.boxes[0, 2:] - true.boxes[0, :2]).tolist()
    assert (right - left) / (bottom - top) == pytest.approx(width / height)
    assert tiles["error_tiles"].shape == (len(tiles["error_types"]), 20, 20, 3)
    assert tiles["error_tiles"].any()
    bare = error_tiles(result, one, per_type=1, thumbnail=0)
    assert bare["error_tiles"].size == 0
    assert np.array_equal(bare["error_boxes"], tiles["error_boxes"], equal_nan=True)
    assert len(error_tiles(result, one, per_type=0)["error_types"]) == 0
    with pytest.raises(ValueError, match="`images` must be the 1 that"):
        error_tiles(result, scenes)


def test_boxes_alone_without_thumbnails(scenes, tmp_path):
    kept = kept_of(noisy(scenes), scenes)
    diagnose(kept, scenes, num_resamples=0, thumbnail=0, arrays=tmp_path / "a.npz")
    arrays = read_predictions(tmp_path / "a.npz")
    assert arrays["error_tiles"].size == 0
    assert "tide_low" not in arrays
    assert not any(axes.images for axes in error_pictures({"a": arrays}).axes)


def test_images_in_another_order(scenes):
    kept = kept_of(noisy(scenes), scenes)
    turned = ObjectSubset(scenes, torch.arange(5, -1, -1))
    ours = [one.boxes for one in kept_detections(kept, turned)]
    assert all(map(torch.equal, ours[::-1], [one.boxes for one in kept_detections(kept, scenes)]))


def test_predictions_that_are_refused(scenes):
    kept = kept_of(noisy(scenes), scenes)
    few = ObjectSubset(scenes, torch.tensor([0, 1]))
    unknown = {**kept, "image": np.array([*kept["image"][:5], "zebra"])}
    twice = {**kept, "image": np.array([*kept["image"][:5], "0"])}
    short = {**kept, "scores": kept["scores"][:-1]}
    for predictions, images, message in (
        (kept, few, "`predictions` must be of images of 'scenes', got '2'"),
        (unknown, scenes, "`predictions` must be of images of 'scenes', got 'zebra'"),
        (twice, scenes, "`predictions` must be of each image once, got '0'"),
        ({k: v for k, v in kept.items() if k != "boxes"}, scenes, "must be with 'boxes'"),
        (short, scenes, r"must be of \d+ detections in 6 images"),
        (
            {**kept, "labels": kept["labels"] + 7},
            scenes,
            r"`detections\[0\]\.labels` must be classes, 0 to 2",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            diagnose(predictions, images)
    less = {"image": kept["image"][:5], "boxes_ends": kept["boxes_ends"][:5]}
    end = int(less["boxes_ends"][-1])
    less |= {name: kept[name][:end] for name in ("boxes", "labels", "scores")}
    with pytest.raises(ValueError, match="must be of every image of 'scenes', got none of 5"):
        diagnose(less, scenes)


def test_options_that_are_refused(scenes):
    kept = kept_of(noisy(scenes), scenes)
    with pytest.raises(TypeError, match="`about` must be an About"):
        diagnose(kept, scenes, about="MoCo")
    with pytest.raises(ValueError, match="`num_resamples` must be"):
        tide_records(noisy(scenes), scenes, num_resamples=-1)
    bare = SceneObjects(Scenes(2, image_size=SIZE))
    bare.masks = False
    with pytest.raises(ValueError, match="`images` must be with masks"):
        tide_records(noisy(bare), bare, kind="mask")
    options = ERRORS.options
    ERRORS.check(options)
    assert (ERRORS.after, ERRORS.on, ERRORS.parts) == ("detection", "objects", ("test",))
    for name, value, message in (
        ("background", 0.6, "`background` must be"),
        ("threshold", 0, "`threshold` must be"),
        ("per_type", -1, "`per_type` must be"),
        ("thumbnail", -1, "`thumbnail` must be"),
    ):
        with pytest.raises(ValueError, match=message):
            ERRORS.check({**options, name: value})
