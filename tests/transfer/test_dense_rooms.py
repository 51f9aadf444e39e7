"""Detection, segmentation and landmarks open by one kind of door."""

# ruff: noqa: RUF012  # nothing changes the dictionaries of the cases

import copy
import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning import Trainer

from instdisc.checkpoint import export_backbone, load_backbone
from instdisc.data import (
    LandmarkData,
    ObjectData,
    ObjectPolicy,
    SceneLandmarks,
    SceneObjects,
    Scenes,
    SceneSegments,
    SegmentData,
)
from instdisc.models import Backbone
from instdisc.predictions import read_predictions
from instdisc.transfer import (
    DetectionModule,
    DetectionRecipe,
    LandmarkModule,
    Segmenter,
    detect,
    detection,
    fit_landmarks,
    landmarks,
    segment,
    segmentation,
    store_run,
)
from instdisc.types import About, InputSpec

SCENES = Scenes(5, image_size=64, num_categories=3)
HALF = InputSpec(64, (0.5, 0.4, 0.3), (0.3, 0.4, 0.5), "bicubic", 1.0)


class Detection:
    room, source, counted = detection, SceneObjects(SCENES), 5
    trainer = {"max_epochs": 1}
    view = {"short_side": 64, "longest_side": 1333, "interpolation": "bicubic"}
    metrics = ("box AP", "box AP50", "mask AP")
    lower = set()

    @classmethod
    def data(cls):
        policy = ObjectPolicy([64], flip=0.5)
        return ObjectData(cls.source, cls.source, policy=policy, batch_size=2, iterations=3)

    @staticmethod
    def module(backbone):
        return DetectionModule(
            backbone, 3, masks=True, norm="plain", regions_per_image=8, learning_rate=0.001,
            warmup=1, milestones=[2], precise_batches=1, protocols=("coco", "voc07"),
        )  # fmt: skip

    @classmethod
    def function(cls, backbone, **options):
        return detect(
            backbone, cls.source, cls.source, recipe=DetectionRecipe(3, 2, 0.001, (2,), 1),
            norm="plain", regions_per_image=8, precise_batches=1, short_sides=[64],
            protocols=("coco", "voc07"), accelerator="cpu", **options,
        )  # fmt: skip


class Segmentation:
    room, source, counted = segmentation, SceneSegments(SCENES), 5
    trainer = {"max_steps": 3, "check_val_every_n_epoch": None, "val_check_interval": 3}
    view = {"short_side": 48, "window": [32, 32], "window_step": [16, 16]}
    view = {**view, "interpolation": "bicubic"}
    metrics = ("mIoU", "pixel accuracy", "IoU, background")
    lower = set()

    @classmethod
    def data(cls):
        return SegmentData(cls.source, cls.source, crop_size=[32, 40], batch_size=2, distort=True)

    @staticmethod
    def module(backbone):
        windows = {"test_short_side": 48, "window": 32, "window_step": 16}
        return Segmenter(backbone, 4, width=8, learning_rate=0.001, **windows)

    @classmethod
    def function(cls, backbone, **options):
        return segment(
            backbone, cls.source, cls.source, width=8, learning_rate=0.001, crop_size=(32, 40),
            batch_size=2, distort=True, steps=3, test_short_side=48, window=32, window_step=16,
            accelerator="cpu", **options,
        )  # fmt: skip


class Landmarks:
    room, source, counted = landmarks, SceneLandmarks(SCENES), 4  # one hides an eye
    trainer = {"max_epochs": 1}
    view = {"frame": "SquareFrame", "size": 64, "margin": 0.1, "crop": "box"}
    view = {**view, "interpolation": "bicubic"}
    metrics = ("NME", "failures above 8 %", "AUC to 10 %")
    lower = {"NME", "failures above 8 %", "failures above 10 %"}

    @classmethod
    def data(cls):
        return LandmarkData(
            cls.source, cls.source, image_size=64, crop="box", margin=0.1, augment="weak",
            batch_size=2,
        )  # fmt: skip

    @classmethod
    def module(cls, backbone):
        return LandmarkModule(backbone, cls.source.layout, image_size=64, grid=2)

    @classmethod
    def function(cls, backbone, **options):
        return fit_landmarks(
            backbone, cls.source, cls.source, crop="box", margin=0.1, augment="weak", grid=2,
            batch_size=2, epochs=1, accelerator="cpu", **options,
        )  # fmt: skip


def trainer(folder, **options):
    return Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=folder, **options,
    )  # fmt: skip


@pytest.fixture(scope="module", params=[Detection, Segmentation, Landmarks])
def case(request, tmp_path_factory):
    """A room with a trained module, its data, its Trainer's checkpoint and its backbone."""
    made = request.param()
    folder = tmp_path_factory.mktemp("room")
    torch.manual_seed(0)
    backbone = Backbone("test_resnet")
    backbone.input = HALF
    made.file = export_backbone(backbone, folder / "net.safetensors")
    made.backbone = load_backbone(made.file)
    assert made.backbone.input == HALF
    made.module, made.data = made.module(made.file), made.data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = trainer(folder, **made.trainer)
        run.fit(made.module, datamodule=made.data)
        run.save_checkpoint(folder / "run.ckpt")
    made.checkpoint, made.folder = folder / "run.ckpt", folder
    made.result = copy.deepcopy(made.module.result)
    made.records = made.room.run_records(made.module, made.data)
    return made


def test_records_say_whose_and_how(case):
    first = case.records[0]
    about = case.backbone.about()
    assert (first.weights, first.architecture) == (about.weights, "test_resnet")
    assert (first.checkpoint, first.dataset, first.n) == (str(case.file), "scenes", case.counted)
    assert first.view.items() >= case.view.items()
    assert (first.view["mean"], first.view["std"]) == ([0.5, 0.4, 0.3], [0.3, 0.4, 0.5])
    assert {record.metric for record in case.records if not record.higher_is_better} == case.lower
    values = {record.metric: record for record in case.records}
    assert set(case.metrics) <= set(values)
    ends = [values[name] for name in case.metrics if "," not in name]
    said = f"bootstrap over {case.counted} images"
    assert all(one.low <= one.high and said in one.interval for one in ends)
    assert all(record.to_json() for record in case.records)


def test_about_overrides_and_nothing_else_may(case):
    (first, *_) = case.room.run_records(case.module, case.data, About("ours", dataset="v2"))
    assert (first.method, first.dataset, first.weights) == ("ours", "v2", case.records[0].weights)
    with pytest.raises(TypeError, match="`about` must be an About or None"):
        case.room.run_records(case.module, case.data, "ours")
    with pytest.raises(ValueError, match="`data` must be what the Trainer tested `module` on"):
        case.room.run_records(case.module, type(case).data())
    (first, *_) = case.room.run_records(case.module, case.data, settings={"more": 1}, seconds=2.0)
    assert (first.settings["more"], first.seconds) == (1, 2.0)


@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
def test_function_and_module_give_the_same_settings_and_view(case, tmp_path):
    file = tmp_path / "seen" / "it.npz"
    records = case.function(case.backbone, predictions=file)
    assert asked(records[0]) == asked(case.records[0])
    assert records[0].view == case.records[0].view
    assert records[0].weights == case.records[0].weights
    assert records[0].settings["precision"] == "32-true"
    assert records[0].settings["batch_size"] == 2
    steps = 2 if case.room is landmarks else 3
    assert (records[0].settings["steps"], records[0].settings["train"]) == (steps, 5)
    assert len(read_predictions(file)["image"]) == 5


def asked(record):
    """The settings without what was measured."""
    measured = ("per_point", "curve")
    return {name: value for name, value in record.settings.items() if name not in measured}


@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
def test_test_validate_and_predict(case, tmp_path):
    run = trainer(tmp_path)
    for call in (run.test, run.validate):
        case.module.result = None
        call(case.module, datamodule=case.data, verbose=False)
        for name, value in numbers(case.result).items():
            np.testing.assert_allclose(numbers(case.module.result)[name], value, atol=1e-5)
    found = [one for batch in run.predict(case.module, datamodule=case.data) for one in batch]
    assert len(found) == 5
    if case.room is detection:
        for one, seen in zip(found, case.result.images, strict=True):
            torch.testing.assert_close(one.boxes, seen.detections.boxes, check_dtype=False)
            assert one.masks.shape == (len(one.boxes), 64, 64)
    elif case.room is segmentation:
        assert {(one.dtype, one.shape) for one in found} == {(torch.uint8, (64, 64))}
        hits = sum(int((f == case.source.mask(i)).sum()) for i, f in enumerate(found))
        assert hits == int(case.result.matrix.trace())
    else:
        torch.testing.assert_close(torch.stack(found), case.result.points)


def numbers(result):
    if hasattr(result, "numbers"):
        return {name: np.float64(value) for name, value in result.numbers.items()}
    return {name: np.asarray(value) for name, value in result._asdict().items()}


@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
def test_a_checkpoint_remembers_whose_it_is(case, tmp_path):
    module = type(case).module(Backbone("test_resnet"))  # other weights, other normalisation
    data = type(case).data()
    trainer(tmp_path).validate(
        module, datamodule=data, verbose=False, ckpt_path=case.checkpoint, weights_only=True
    )
    for name, value in numbers(case.result).items():
        np.testing.assert_allclose(numbers(module.result)[name], value, atol=1e-5)
    records = case.room.run_records(module, data)
    for ours, theirs in zip(records, case.records, strict=True):
        assert (ours.weights, ours.checkpoint) == (theirs.weights, theirs.checkpoint)
        assert ours.view == theirs.view
        assert ours.settings == theirs.settings


def test_predictions(case, tmp_path):
    case.room.run_records(case.module, case.data, predictions=tmp_path / "it.npz")
    kept = read_predictions(tmp_path / "it.npz")
    values = {record.metric: record.value for record in case.records}
    assert kept["image"].tolist() == [str(i) for i in range(5)]
    if case.room is detection:
        images = case.result.images
        assert (
            kept["boxes_ends"].tolist()
            == np.cumsum([len(o.detections.boxes) for o in images]).tolist()
        )
        assert kept["boxes"].shape == (len(kept["scores"]), 4)
        assert kept["areas"].shape == kept["labels"].shape == kept["scores"].shape
    elif case.room is segmentation:
        hits, truth = kept["hits"].sum(0), kept["truth"].sum(0)
        union = truth + kept["predicted"].sum(0) - hits
        with np.errstate(invalid="ignore"):
            assert 100 * np.nanmean(hits / union) == pytest.approx(values["mIoU"])
        assert 100 * hits.sum() / truth.sum() == pytest.approx(values["pixel accuracy"])
        assert kept["mIoU"].shape == (5,)
    else:
        assert kept["points"].shape == (5, 5, 2)
        measured = kept["error"][~np.isnan(kept["error"]).all(1)]
        assert len(measured) == case.counted
        assert 100 * np.nanmean(measured, 1).mean() == pytest.approx(values["NME"])


def test_pictures_for_a_report(case, tmp_path):
    kept = case.room.run_predictions(case.module, case.data, thumbnail=40)
    assert set(kept["shown"]) <= {str(i) for i in range(5)}
    assert len(kept["shown"]) == case.counted
    assert len(kept["shown_key"]) == len(kept["shown_colors"]) >= 2
    for column in ("shown_truth", "shown_prediction"):
        pictures = [Image.open(io.BytesIO(file.tobytes())) for file in kept[column]]
        assert {picture.size for picture in pictures} == {(40, 40)}
        assert all(kept[f"{column}_words"])
    again = case.room.run_predictions(case.module, case.data, thumbnail=40)
    for column in ("shown_truth", "shown_prediction"):
        assert all(map(np.array_equal, kept[column], again[column]))
    assert not any(map(np.array_equal, kept["shown_truth"], kept["shown_prediction"]))
    none = case.room.run_predictions(case.module, case.data, thumbnail=0)
    assert not [name for name in none if name.startswith("shown")]
    with pytest.raises(ValueError, match="`thumbnail` must be a whole number of at least 0"):
        case.function(case.backbone, thumbnail=-1)


def test_a_run_is_stored_once(case, tmp_path):
    columns = case.room.run_predictions(case.module, case.data)
    sets = {"train": case.source, "test": case.source}
    stored = store_run(case.records, columns, tmp_path, **sets)
    again = store_run(
        [record._replace(seconds=9.0) for record in case.records], columns, tmp_path, **sets
    )
    assert again == stored
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == len(case.records)
    assert [file.stem for file in (tmp_path / "predictions").iterdir()] == [stored[0].job]
    other = [record._replace(seed=1) for record in case.records]
    assert store_run(other, columns, tmp_path, **sets)[0].job != stored[0].job


def test_refused_before_anything_is_trained(case, tmp_path):
    with pytest.raises(ValueError, match="`predictions` must be a file .npz"):
        case.function(case.backbone, predictions=tmp_path / "it.txt")
    with pytest.raises(ValueError, match="`pictures` must be a folder, got .*it.png"):
        case.function(case.backbone, pictures=tmp_path / "it.png")
    with pytest.raises(TypeError, match="`about` must be"):
        case.function(case.backbone, about="MoCo")
    with pytest.raises(ValueError, match="`module` must have been tested: its `result` is None"):
        case.room.run_records(type(case).module(case.backbone), case.data)
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:Found .* in eval mode")
def test_a_loss_that_is_not_finite_is_named(case, tmp_path):
    module = type(case).module(case.backbone)
    with torch.no_grad():
        for weight in [weight for weight in module.parameters() if weight.requires_grad][-3:]:
            weight.fill_(torch.nan)
    run, data = trainer(tmp_path, **case.trainer), type(case).data()
    with pytest.raises(ValueError, match="diverged.*Lower the `learning_rate`"):
        run.fit(module, datamodule=data)


def test_release_0_1_0_still_calls(case):
    with pytest.warns(DeprecationWarning, match="run_records: dataset=, method="):
        (first, *_) = case.room.run_records(case.module, case.data, dataset="d", method="m")
    assert (first.dataset, first.method) == ("d", "m")
    if case.room is detection:
        with pytest.warns(DeprecationWarning, match="evaluation is called result now"):
            assert case.module.evaluation is case.module.result
        import instdisc.transfer

        for room, name, successor in (
            (instdisc.transfer, "run_records", detection.run_records),
            (instdisc.transfer, "save_run", detection.save_detection_run),
            (detection, "save_pictures", detection.save_detection_pictures),
        ):
            with pytest.warns(FutureWarning, match=f"{name} is called .*{successor.__name__} now"):
                assert getattr(room, name) is successor
        image = case.module.result.images[0]
        with pytest.warns(FutureWarning, match="`ImageResults.found` is called `detections` now"):
            assert image.found is image.detections
    if case.room is landmarks:
        with pytest.warns(DeprecationWarning, match="errors is result.errors now"):
            assert case.module.errors is case.module.result.errors


def test_images_are_seen_as_the_backbone_was_trained(case):
    """The network's input: (image - mean) / std of the backbone, and zero where nothing is."""
    mean, std = (torch.tensor(part)[:, None, None] for part in (HALF.mean, HALF.std))
    module = case.module
    if case.room is landmarks:
        batch = case.data.test_set.batch([(0, 1)])
        seen = case.data._finish_plain(batch).images
        torch.testing.assert_close(seen, (batch.batch.images / 255 - mean) / std)
        frame = case.data.test_set.policies[0].frame
        around = frame.cut_box(
            torch.zeros(3, 8, 8, dtype=torch.uint8), frame.around((0, 0, 8, 2), [])
        )
        assert (around[:, 0, 0] / 255 - mean[:, 0, 0]).abs().max() < 1 / 255
        return
    images = torch.randint(0, 256, (2, 3, 8, 6), dtype=torch.uint8)
    sizes = torch.tensor([[8, 6], [5, 4]])
    seen = module.normalise(images, sizes)
    torch.testing.assert_close(seen[0], (images[0] / 255 - mean) / std)
    assert not seen[1, :, 5:].any()
    assert not seen[1, :, :, 4:].any()
    assert case.data.policy.interpolation == "bicubic"


TWO = """
import sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_dense_rooms import Detection, Landmarks, Segmentation, trainer
from instdisc.models import Backbone

def score(devices, folder):
    for case in (Detection, Segmentation, Landmarks):
        torch.manual_seed(0)
        module, data = case.module(Backbone("test_resnet")), case.data()
        module.precise_batches = 0  # measured on other batches by two
        run = trainer(folder, devices=devices)
        run.test(module, datamodule=data, verbose=False)
        module.history.training = {}
        file = Path(folder) / f"{case.__name__}-{devices}.npz"
        records = case.room.run_records(module, data, predictions=file)
        values = {record.metric: (record.value, record.n) for record in records}
        name = f"{case.__name__}-{devices}-{run.global_rank}.pt"
        found = run.predict(module, datamodule=data)
        torch.save((values, sum(len(batch) for batch in found)), f"{folder}/{name}")

if __name__ == "__main__":
    score(2, sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_two_processes_find_what_one_finds(tmp_path, monkeypatch):
    here = Path(__file__).parent
    (tmp_path / "two.py").write_text(TWO)
    monkeypatch.setattr(sys, "argv", ["two.py", str(here), str(tmp_path)])
    names = {"__name__": "one"}
    exec(TWO, names)
    names["score"](1, tmp_path)
    subprocess.run([sys.executable, tmp_path / "two.py", here, tmp_path], check=True)
    for name in ("Detection", "Segmentation", "Landmarks"):
        alone, *others = (
            torch.load(tmp_path / f"{name}-{which}.pt") for which in ("1-0", "2-0", "2-1")
        )
        for values, _ in others:
            assert values.keys() == alone[0].keys()
            for metric, (value, count) in values.items():
                assert value == pytest.approx(alone[0][metric][0], abs=1e-3), metric
                assert count == alone[0][metric][1]
        assert others[0][1] + others[1][1] == alone[1] == 5
        one, two = (read_predictions(tmp_path / f"{name}-{n}.npz") for n in (1, 2))
        for column in ("image", "shown", "shown_truth"):
            assert one[column].tolist() == two[column].tolist()
        for column in one.keys() - {"image"}:
            if not column.startswith("shown"):
                np.testing.assert_allclose(one[column], two[column], atol=1e-3)


@pytest.mark.parametrize("room", [Detection, Segmentation, Landmarks])
@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true"])
def test_precisions_that_round_the_truth_are_refused(room, precision, tmp_path):
    module, run = room.module(Backbone("test_resnet")), {**room.trainer, "precision": precision}
    with pytest.raises(ValueError, match=f"`precision` must be .*'bf16-mixed'.* got '{precision}'"):
        trainer(tmp_path, **run).fit(module, datamodule=room.data())
