"""Training, test, export and pictures of a detector, on generated scenes."""

import json
import logging
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import Trainer

from instdisc.checkpoint import export_backbone, load_backbone
from instdisc.data import ObjectData, ObjectPolicy, SceneObjects, Scenes
from instdisc.models import Backbone
from instdisc.transfer import (
    DetectionModule,
    DetectionRecipe,
    Detector,
    Evaluator,
    detect,
    export_detector,
    load_detector,
    read_results,
    save_detection_run,
    write_results,
)
from instdisc.transfer.detection.evaluation import restore
from instdisc.types import Detections, InputSpec, ObjectBatch

SMALL = {"norm": "plain", "regions_per_image": 16}
QUICK = DetectionRecipe(3, 2, 0.005, (2,), 1)


def scenes(count=3, **options):
    return SceneObjects(Scenes(count, image_size=64, **options))


def data(source=None, **options):
    source = source or scenes()
    options = {"batch_size": 2, "iterations": 3, **options}
    return ObjectData(source, source, policy=ObjectPolicy([64], flip=0.0), **options)


def trainer(**options):
    return Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    """A module after three iterations and a test with masks, its data, and its start."""
    torch.manual_seed(0)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    module = DetectionModule(
        "test_resnet", 10, masks=True, milestones=[2], warmup=1, learning_rate=0.005,
        precise_batches=2, protocols=("coco", "voc07", "voc10"), **SMALL,
    )  # fmt: skip
    start = {key: value.clone() for key, value in module.detector.state_dict().items()}
    source = data()
    trainer().fit(module, datamodule=source)
    return module, source, start


def test_everything_trains(trained):
    module, _, start = trained
    state = module.detector.state_dict()
    moved = {name for name, value in state.items() if not torch.equal(value, start[name])}
    assert len(moved) > 0.8 * len(state)
    assert all(value.isfinite().all() for value in state.values())


def test_the_test_gives_every_protocol(trained):
    evaluation = trained[0].result
    for name in ("box AP", "box AP50", "mask AP75", "VOC07 AP", "VOC10 AP50", "box AR100"):
        assert 0 <= evaluation.numbers[name] <= 100
    assert len(evaluation.per_class["mask AP"]) == len(evaluation.per_class["VOC07 AP75"]) == 10
    assert [one.image for one in evaluation.images] == [0, 1, 2]


def test_norms_have_no_weight_decay():
    module = DetectionModule("test_resnet", 3, **SMALL)
    plain, norms = module.configure_optimizers()["optimizer"].param_groups
    assert (plain["weight_decay"], norms["weight_decay"]) == (1e-4, 0)
    inside = {id(weight) for weight in norms["params"]}
    for name, module_ in module.detector.named_modules():
        is_norm = isinstance(module_, torch.nn.BatchNorm2d)
        for own, weight in module_.named_parameters(recurse=False):
            assert (id(weight) in inside) == is_norm, (name, own)
    total = len(plain["params"]) + len(norms["params"])
    assert total == len(list(module.detector.parameters()))
    frozen = DetectionModule("test_resnet", 3, norm="frozen", freeze_parts=2)
    (group,) = frozen.configure_optimizers()["optimizer"].param_groups
    assert len(group["params"]) == sum(w.requires_grad for w in frozen.detector.parameters())


def test_rates_follow_the_schedule():
    module = DetectionModule("test_resnet", 3, learning_rate=0.1, warmup=2, milestones=[3], **SMALL)
    parts = module.configure_optimizers()
    rates = []
    for _ in range(5):
        rates.append(parts["optimizer"].param_groups[0]["lr"])
        parts["optimizer"].step()
        parts["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([0.0001, 0.05005, 0.1, 0.01, 0.01])
    assert parts["lr_scheduler"]["interval"] == "step"


@pytest.mark.parametrize("channels_last", [False, True])
def test_images_are_normalised_and_the_padding_is_zero(channels_last):
    module = DetectionModule("test_resnet", 3, channels_last=channels_last, **SMALL)
    images = torch.randint(1, 255, (2, 3, 8, 6), dtype=torch.uint8)
    sizes = torch.tensor([[8, 6], [5, 4]])
    found = module.prepare(images, sizes)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    expected = (images / 255 - mean) / std
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1, :, :5, :4], expected[1, :, :5, :4])
    assert not found[1, :, 5:].any()
    assert not found[1, :, :, 4:].any()
    if channels_last:
        assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("asked", "device", "last"),
    [(None, "cuda", True), (None, "cpu", False), (False, "cuda", False), (True, "cpu", True)],
)
def test_memory_format_is_the_devices_if_nothing_else_is_asked(asked, device, last):
    module = DetectionModule("test_resnet", 3, channels_last=asked, **SMALL)
    strategy = SimpleNamespace(root_device=torch.device(device))
    module._trainer = SimpleNamespace(strategy=strategy, precision="32-true")
    module.setup("fit")
    weight = next(p for p in module.detector.parameters() if p.ndim == 4 and p.shape[-1] == 3)
    assert weight.is_contiguous(memory_format=torch.channels_last) == last


def test_precise_batch_norm_sets_the_statistics(trained):
    module, source, _ = trained
    norm = module.detector.backbone.net.bn1
    images = []
    for batch in list(source.train_dataloader())[:2]:
        images.append(module.prepare(batch.images, batch.sizes))
    first = torch.stack([module.detector.backbone.net.conv1(one).mean((0, 2, 3)) for one in images])
    torch.testing.assert_close(norm.running_mean, first.mean(0), rtol=1e-3, atol=1e-4)


def test_a_look_at_the_test_set_changes_nothing():
    def weights(**options):
        torch.manual_seed(0)
        module = DetectionModule("test_resnet", 10, precise_batches=1, milestones=[], **SMALL)
        trainer(**options).fit(module, datamodule=data())
        return module.detector.rpn.state_dict()

    often, once = weights(val_check_interval=1), weights()
    for name, value in once.items():
        assert torch.equal(value, often[name])


def test_divergence_is_an_error():
    module = DetectionModule("test_resnet", 10, **SMALL)
    module.detector.rpn.requires_grad_(False)
    for weight in module.detector.rpn.parameters():
        weight.fill_(float("inf"))
    with pytest.raises(ValueError, match="diverged at iteration 0: .*Lower the `learning_rate`"):
        trainer().fit(module, datamodule=data())


def test_a_test_needs_its_truth():
    module = DetectionModule("test_resnet", 10, **SMALL)
    with pytest.raises(ValueError, match="whose `test` is an ObjectSource"):
        trainer().validate(module, data().test_dataloader(), verbose=False)


def test_masks_need_a_test_set_with_masks():
    source = scenes()
    source.masks = False
    with pytest.raises(ValueError, match="`masks`=True needs a test set with masks"):
        Evaluator(source, masks=True)


def test_detections_return_to_the_file():
    found = Detections(
        torch.tensor([[2.0, 4.0, 6.0, 12.0]]), torch.tensor([0]), torch.ones(1),
        torch.ones(1, 14, 14),
    )  # fmt: skip
    back = restore(found, (20, 10), (40, 30), masks=True)
    assert back.boxes.tolist() == [[6, 8, 18, 24]]
    assert back.masks.shape == (1, 40, 30)
    assert back.masks[0, 8:24, 6:18].all()
    assert int(back.masks.sum()) == 16 * 12


def test_truth_as_detections_is_perfect():
    source = scenes()
    evaluator = Evaluator(source, protocols=("coco", "voc07"))
    for index in range(3):
        true = source.objects(index)
        found = Detections(2 * true.boxes, true.labels, torch.ones(len(true.labels)), None)
        sizes = torch.tensor([[128, 128]])
        batch = ObjectBatch(None, sizes, None, torch.tensor([index]), sizes // 2)
        evaluator.update([found], batch)
    numbers = evaluator.compute().numbers
    assert numbers["box AP"] == pytest.approx(100)
    assert numbers["VOC07 AP"] == pytest.approx(100)


def test_export_and_load(trained, tmp_path):
    module, source, _ = trained
    path = export_detector(
        module.detector, tmp_path / "new" / "detector.pt", classes=source.train.classes,
        category_ids=source.train.category_ids,
    )  # fmt: skip
    saved = load_detector(path)
    assert saved.classes == list(source.train.classes)
    images = module.prepare(*next(iter(source.test_dataloader()))[:2])
    sizes = torch.tensor([[64, 64]])
    module.detector.eval()
    (ours,), (again,) = module.detector(images, sizes), saved.detector(images, sizes)
    assert torch.equal(ours.boxes, again.boxes)
    assert torch.equal(ours.masks, again.masks)
    net = load_backbone(export_backbone(module.detector.backbone, tmp_path / "net.safetensors"))
    for name, value in net.state_dict().items():
        assert torch.equal(value, module.detector.backbone.state_dict()[name])


def test_a_detector_is_shown_images_as_its_backbone_was(tmp_path):
    backbone = Backbone("test_resnet")
    backbone.input = InputSpec(64, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), "bicubic", 1.0)
    module = DetectionModule(backbone, 2, **SMALL)
    assert module.detector.backbone.input == backbone.input
    names = {"classes": ["a", "b"], "category_ids": [1, 2]}
    saved = load_detector(export_detector(module.detector, tmp_path / "it.pt", **names))
    assert (saved.mean, saved.std) == (backbone.input.mean, backbone.input.std)
    assert saved.detector.backbone.input.interpolation == "bicubic"
    other = DetectionModule(backbone, 2, mean=[0.1, 0.2, 0.3], **SMALL)
    white = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    seen = other.prepare(white, torch.tensor([[4, 4]]))[0, :, 0, 0]
    torch.testing.assert_close(seen, torch.tensor([4.5, 4.0, 3.5]))
    assert other.history.seen.mean == (0.1, 0.2, 0.3)
    assert backbone.input.mean == (0.5, 0.5, 0.5)


def test_bad_exports(tmp_path):
    detector = Detector(Backbone("test_resnet"), 2)
    with pytest.raises(ValueError, match="must be as many as the detector's 2, got 1 and 2"):
        export_detector(detector, tmp_path / "a.pt", classes=["a"], category_ids=[1, 2])
    with pytest.raises(FileNotFoundError, match="must be a file of export_detector"):
        load_detector(tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(b"nothing")
    torch.save({"layout": "other"}, tmp_path / "c.pt")
    for name in "bc":
        with pytest.raises(ValueError, match=f"{name}.pt is not a whole file of export_detector"):
            load_detector(tmp_path / f"{name}.pt")


def test_results_go_to_a_file_and_back(trained, tmp_path):
    module, source, _ = trained
    images = module.result.images
    path = write_results(images, source.test, tmp_path / "new" / "detections.json")
    rows = json.loads(path.read_text())
    assert set(rows[0]) == {"image_id", "category_id", "bbox", "score", "segmentation"}
    again = read_results(path, source.test)
    for ours, theirs in zip(images, again, strict=True):
        torch.testing.assert_close(ours.detections.boxes, theirs.boxes, rtol=0, atol=1e-3)
        assert torch.equal(ours.detections.labels.sort().values, theirs.labels.sort().values)
        assert theirs.masks.shape == (len(theirs.labels), 64, 64)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}x", "is not a file of results"),
        ('[{"image_id": 0}]', "is not a file of results in COCO's format: KeyError"),
        ('[{"image_id": 9, "category_id": 1}]', "category 1 in image 9, which 'scenes"),
        ('[{"image_id": 0, "category_id": 99}]', "category 99 in image 0, which"),
    ],
)
def test_bad_result_files(content, message, tmp_path):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_results(tmp_path / "bad.json", scenes())


def test_the_run_is_saved(trained, tmp_path):
    module, source, _ = trained
    save_detection_run(module, source, tmp_path)
    assert (tmp_path / "detector.pt").exists()
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 3
    with pytest.raises(ValueError, match="its `result` is None"):
        save_detection_run(DetectionModule("test_resnet", 10, **SMALL), source, tmp_path)


def test_detect(tmp_path):
    backbone = Backbone("test_resnet")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    told = []
    options = {
        "recipe": QUICK, "short_sides": [64],
        "precise_batches": 1, "accelerator": "cpu", **SMALL,
    }  # fmt: skip
    records = detect(
        backbone, scenes(), scenes(2), masks=False, follow_batch=1,
        progress=lambda *now: told.append(now), folder=tmp_path, **options,
    )  # fmt: skip
    assert told == [(k, 6) for k in range(1, 7)]
    assert [record.metric for record in records][:3] == ["box AP", "box AP50", "box AP75"]
    assert any(record.metric.startswith("box AP, ") for record in records)
    settings = records[0].settings
    assert (settings["batch_size"], settings["iterations"]) == (1, 6)
    assert (settings["learning_rate"], settings["milestones"]) == (0.0025, [4])
    assert (settings["train"], records[0].n, settings["precision"]) == (3, 2, "32-true")
    assert records[0].low <= records[0].value <= records[0].high
    assert (records[0].method, records[0].dataset) == ("test_resnet", "scenes")
    assert json.loads(records[0].to_json())["settings"]["masks"] is False
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert (tmp_path / "detections.json").exists()


def test_detect_repeats():
    options = {
        "recipe": QUICK, "short_sides": [64],
        "precise_batches": 1, "accelerator": "cpu", "masks": False, **SMALL,
    }  # fmt: skip
    backbone = Backbone("test_resnet")
    one, again = (detect(backbone, scenes(), scenes(), seed=3, **options) for _ in range(2))
    assert [r.value for r in one] == [r.value for r in again]
