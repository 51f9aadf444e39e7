"""Views that are no squares, from the policy to the features of the exported backbone."""

import json
import math

import pytest
import pytorch_lightning as pl
import torch

import instdisc
from instdisc.callbacks import OnlineKNN
from instdisc.data import (
    CenterCrop,
    Draws,
    ImagesInMemory,
    RandomResizedCrop,
    SceneLandmarks,
    Scenes,
    ViewData,
    ViewDataset,
    ViewFinisher,
    evaluation_policy,
    multi_crop,
    view_policy,
)
from instdisc.data.batches.blocks import BatchForm
from instdisc.data.batches.coded import CodedDataset
from instdisc.data.views.published_policies import POLICIES
from instdisc.models.identity import input_from_json
from instdisc.transfer import extract_features, fit_landmarks
from instdisc.types import InputSpec


def test_the_crop_has_the_shape_of_the_view_on_average():
    frame = RandomResizedCrop((40, 80), (0.05, 0.2))
    numbers = frame.draw(Draws(0, 0, range(4000), 0))
    boxes = frame.boxes(500, 500, numbers)
    ratios = torch.tensor(boxes[:, 3] / boxes[:, 2]).log()
    assert abs(float(ratios.mean()) - math.log(2)) < 0.01
    assert float(ratios.min()) > math.log(2 * 3 / 4) - 0.05
    assert float(ratios.max()) < math.log(2 * 4 / 3) + 0.05
    rows = [frame.box(500, 500, row) for row in numbers[:50].tolist()]
    assert torch.equal(torch.tensor(rows).double(), torch.tensor(boxes[:50]))


def test_where_no_try_fits_the_centre_has_the_shape_of_the_view():
    frame = RandomResizedCrop((10, 20), (1.0, 1.0))
    box = frame.box(100, 1000, frame.draw(Draws(0, 0, [0], 0))[0].tolist())
    assert (box.height, box.width) == (100, round(100 * 4 / 3 * 2))


def test_a_pair_of_equal_sides_is_a_square():
    numbers = [
        frame.draw(Draws(0, 0, range(9), 0))
        for frame in (RandomResizedCrop(32), RandomResizedCrop((32, 32)))
    ]
    assert (numbers[0] == numbers[1]).all()
    assert evaluation_policy((96, 96)).frame.resize == evaluation_policy(96).frame.resize == 110
    assert view_policy("moco_v2", (64, 64)).photometric[-1].high == 2.0 * 64 / 224


def test_the_centre_covers_height_and_width():
    image = torch.arange(20 * 60).reshape(1, 20, 60).expand(3, -1, -1).to(torch.uint8)
    assert CenterCrop((20, 30), resize=(20, 30)).box(20, 60, []) == (0, 15, 20, 30, False)
    view = CenterCrop((20, 30), resize=(20, 30)).cut(image, [])
    assert torch.equal(view, image[:, :, 15:45])
    # The width is what is short: 60 becomes 90, and 20 becomes 30, of which the middle 20 remain.
    assert CenterCrop((20, 90), resize=(20, 90)).box(20, 60, [])[2:4] == (20 * 20 / 30, 60)
    squeezed = CenterCrop((10, 10), resize=(10, 15), keep_aspect=False)
    assert squeezed.box(20, 60, [])[2:4] == (20, 40)
    assert evaluation_policy((224, 112)).frame.resize == (256, 128)
    assert evaluation_policy((32, 64)).frame.resize == (32, 64)


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy(name):
    policy = view_policy(name, (24, 40))
    for images in (Scenes(4, image_size=32), ImagesInMemory(Scenes(4, image_size=32))):
        dataset = ViewDataset(images, [policy] * 2)
        raw = dataset.batch([(0, 1), (0, 3)])
        views = ViewFinisher(dataset.policies)(raw)
        for view, own, numbers in zip(views.images, raw.views, raw.numbers, strict=True):
            assert view.shape == (2, 3, 24, 40)
            assert torch.allclose(view, policy.finish(own, numbers), atol=1e-5)


def test_multi_crop():
    frames = [policy.frame for policy in multi_crop(image_size=(64, 96), small_size=(32, 48))]
    assert [frame.sides for frame in frames] == [(64, 96)] * 2 + [(32, 48)] * 6


def test_blocks_and_coded_batches():
    policy = view_policy("zhao_fr", (24, 40))
    dataset = ViewDataset(Scenes(4, image_size=32), [policy])
    form = BatchForm(dataset, 2)
    block = torch.empty(form.num_bytes, dtype=torch.uint8)
    form.make(block, 0, [(0, 1), (0, 2)])
    assert torch.equal(form.read(block, 2).views[0], dataset.batch([(0, 1), (0, 2)]).views[0])
    assert CodedDataset(Scenes(4, image_size=32), [policy] * 2).room == 2 * 3 * 24 * 40


# Nothing but the run itself is asked for: no workers, a batch or two.
@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:The number of training batches .* is smaller than")
@pytest.mark.parametrize("keep", ["nothing", "memory", "device"])
def test_a_run_and_its_backbone(tmp_path, keep):
    train, test = Scenes(16, image_size=48), Scenes(8, image_size=48, split="test")
    data = ViewData(train, test, image_size=(32, 64), batch_size=8, keep=keep)
    knn = OnlineKNN(k=3)
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[knn],
        default_root_dir=tmp_path,
    )
    module = instdisc.MoCoModule("test_resnet", queue_size=16, batch_norm_groups=2)
    trainer.fit(module, data)
    assert "knn" in trainer.callback_metrics
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    instdisc.export_backbone(tmp_path / "run.ckpt", tmp_path / "backbone.safetensors")
    for name in ("run.ckpt", "backbone.safetensors"):
        backbone = instdisc.load_backbone(tmp_path / name)
        assert backbone.input.size == (32, 64)
        shown = []
        backbone.register_forward_hook(lambda net, args, out, shown=shown: shown.append(args[0]))
        extract_features(backbone, test)
        assert shown[0].shape == (8, 3, 32, 64)


def test_the_size_in_files():
    for size in (224, (32, 64)):
        spec = InputSpec(size)
        assert input_from_json(json.loads(json.dumps(spec._asdict()))) == spec
    assert instdisc.Backbone("vit_tiny_patch16_224", img_size=(32, 64)).input.size == (32, 64)


# What is refused


@pytest.mark.parametrize("size", [(32,), (32, 0), (32.0, 64), "32", (32, 32, 3), None, -1, True])
def test_what_is_no_size(size):
    with pytest.raises((TypeError, ValueError), match="`image_size"):
        ViewData(Scenes(4, image_size=32), image_size=size)
    if size is not None:
        with pytest.raises((TypeError, ValueError), match="`image_size"):
            evaluation_policy(size)


def test_a_resize_that_does_not_cover_the_crop():
    with pytest.raises(ValueError, match=r"`resize` must be at least `size`=\(32, 64\), got 48"):
        CenterCrop((32, 64), resize=48)


def test_landmarks_need_squares():
    backbone = instdisc.Backbone("test_resnet")
    backbone.input = backbone.input._replace(size=(32, 64))
    points = SceneLandmarks(Scenes(12, image_size=32))
    with pytest.raises(ValueError, match="`image_size` must be given for a backbone whose views"):
        fit_landmarks(backbone, points, points, epochs=1, accelerator="cpu")
