"""The data module, by itself and in a Trainer."""

import pytest
import torch
from PIL import Image
from pytorch_lightning import Callback, Trainer

from instdisc.data import ImageFolder, Scenes, ViewData, evaluation_policy, view_policy
from instdisc.methods import MoCoModule
from instdisc.models import Backbone
from instdisc.types import Views

# torch's resize rounds its weights, so a value may differ by 1 of 255 before the division by std.
ONE_LEVEL = 1.01 / 255 / 0.224


class Watch(Callback):
    """Keeps the batches that the module gets to see."""

    def __init__(self):
        self.train, self.validation = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.train.append(batch)

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.validation.append((dataloader_idx, batch))


def scenes(count=20, split="train", **options):
    return Scenes(count, image_size=32, split=split, **options)


def fitted(data, max_epochs=1, channels_last=False, **options):
    module = MoCoModule(
        Backbone("test_resnet"), queue_size=16, batch_norm_groups=2, channels_last=channels_last
    )
    watch = Watch()
    trainer = Trainer(
        max_epochs=max_epochs,
        callbacks=[watch],
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )
    trainer.fit(module, datamodule=data)
    return watch


def test_trainer_gets_finished_views():
    data = ViewData(scenes(), scenes(5, "test"), image_size=16, batch_size=8, seed=3)
    watch = fitted(data, max_epochs=2)
    assert len(watch.train) == 4  # 2 batches of 8 in each of 2 epochs
    policy = view_policy("moco_v2", 16)
    for step, batch in enumerate(watch.train):
        assert isinstance(batch, Views)
        assert len(batch.images) == 2
        for view, images in enumerate(batch.images):
            dataset = data.train_dataloader().dataset
            raw = dataset.batch([(step // 2, index) for index in batch.indices.tolist()])
            expected = policy.finish(raw.views[view], raw.numbers[view])
            torch.testing.assert_close(images, expected)


def test_validation_sees_the_bank_and_the_test_images_plainly():
    test = scenes(5, "test")
    data = ViewData(scenes(), test, image_size=16, batch_size=8)
    watch = fitted(data)
    loaders = [number for number, _ in watch.validation]
    assert loaders == [0, 0, 0, 1]
    indices = torch.cat([batch.indices for number, batch in watch.validation if number == 0])
    assert indices.tolist() == list(range(20))
    _, batch = watch.validation[-1]
    assert isinstance(batch, Views)
    policy = evaluation_policy(16)
    for row in range(5):
        view = policy.cut(test.read(row), [], False)
        expected = policy.finish(view[None], torch.zeros(1, 0))[0]
        torch.testing.assert_close(batch.images[0][row], expected)
    assert torch.equal(batch.labels, test.labels)


def test_without_test_images_there_is_nothing_to_watch():
    data = ViewData(scenes(), image_size=16, batch_size=8)
    assert data.val_dataloader() == []
    with pytest.warns(UserWarning, match="Total length of `list` across ranks is zero"):
        assert fitted(data).validation == []


def test_bank_holds_at_most_so_many_images():
    options = {"image_size": 16, "batch_size": 4}
    data = ViewData(scenes(), scenes(5, "test"), max_bank=7, **options)
    bank, test = data.val_dataloader()
    batches = list(bank)
    labels = torch.cat([batch.labels for batch in batches])
    assert len(labels) == 7
    assert len(test.dataset) == 5
    chosen = bank.dataset.images.positions
    assert torch.equal(labels, data.images.labels[chosen])
    assert torch.equal(chosen, data.val_dataloader()[0].dataset.images.positions)
    other = ViewData(scenes(), scenes(5, "test"), max_bank=7, seed=1, **options)
    assert not torch.equal(chosen, other.val_dataloader()[0].dataset.images.positions)
    for enough in (None, 20, 100):
        data = ViewData(scenes(), scenes(5, "test"), max_bank=enough, **options)
        assert len(data.val_dataloader()[0].dataset) == 20


@pytest.mark.parametrize("num_views", [1, 3])
def test_any_number_of_views(num_views):
    data = ViewData(scenes(), image_size=16, batch_size=8, num_views=num_views)
    assert len(next(iter(data.train_dataloader())).images) == num_views


def test_a_policy_of_ones_own():
    data = ViewData(scenes(), policy=view_policy("zhao_f", 24), image_size=16, batch_size=8)
    assert next(iter(data.train_dataloader())).images[0].shape == (8, 3, 24, 24)
    assert next(iter(data.plain_loader(data.images))).images[0].shape == (8, 3, 16, 16)


def test_a_policy_for_each_view():
    policies = ["moco_v3_first", "moco_v3_second", view_policy("zhao_fr", 8)]
    data = ViewData(scenes(), policy=policies, image_size=16, batch_size=8)
    watch = fitted(data, limit_val_batches=0)
    assert [view.shape[-1] for view in watch.train[0].images] == [16, 16, 8]
    assert [len(policy.photometric) for policy in data.policies] == [3, 4, 0]


def test_views_of_a_set_through_workers():
    options = {"policy": "dino", "image_size": 32, "num_views": 6, "batch_size": 4, "seed": 3}
    for first, second in (({}, {"num_workers": 2}), ({"keep": "memory"}, {"keep": "device"})):
        known = fitted(ViewData(scenes(), **options, **first), limit_val_batches=0).train
        found = fitted(ViewData(scenes(), **options, **second), limit_val_batches=0).train
        assert len(found) == 5
        for batch, expected in zip(found, known, strict=True):
            assert isinstance(batch, Views)
            assert [view.shape[2:] for view in batch.images] == [(32, 32)] * 2 + [(16, 16)] * 4
            assert torch.equal(batch.indices, expected.indices)
            for view, other in zip(batch.images, expected.images, strict=True):
                assert torch.equal(view, other)


@pytest.mark.parametrize("keep", ["memory", "device"])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_kept_images_give_the_same_views(keep, num_workers):
    options = {"image_size": 24, "batch_size": 8, "seed": 3, "policy": "zhao_fr"}
    known = fitted(ViewData(scenes(), scenes(5, "test"), **options))
    data = ViewData(scenes(), scenes(5, "test"), keep=keep, num_workers=num_workers, **options)
    found = fitted(data)
    for batch, expected in zip(found.train, known.train, strict=True):
        assert torch.equal(batch.indices, expected.indices)
        assert torch.equal(batch.labels, expected.labels)
        for view, other in zip(batch.images, expected.images, strict=True):
            torch.testing.assert_close(view, other, atol=ONE_LEVEL, rtol=0)
    for (_, batch), (_, expected) in zip(found.validation, known.validation, strict=True):
        torch.testing.assert_close(batch.images[0], expected.images[0], atol=ONE_LEVEL, rtol=0)


def test_device_cuts_what_memory_cuts():
    options = {"image_size": 24, "batch_size": 8, "seed": 3}
    known = fitted(ViewData(scenes(), keep="memory", **options), limit_val_batches=0)
    found = fitted(ViewData(scenes(), keep="device", **options), limit_val_batches=0)
    for batch, expected in zip(found.train, known.train, strict=True):
        for view, other in zip(batch.images, expected.images, strict=True):
            assert torch.equal(view, other)


def test_views_in_bfloat16():
    # Not of 16 px: on maps of one pixel the backward pass of a convolution in bfloat16 leaves parts
    # of the gradient unwritten on processors with AVX-512 (torch 2.14).
    data = ViewData(scenes(), scenes(5, "test"), image_size=32, batch_size=8, dtype="bfloat16")
    watch = fitted(data, precision="bf16-mixed")
    assert {view.dtype for view in watch.train[0].images} == {torch.bfloat16}
    assert watch.validation[0][1].images[0].dtype == torch.bfloat16


@pytest.mark.parametrize("channels_last", [True, False])
def test_views_come_in_the_format_of_the_network(channels_last):
    data = ViewData(scenes(), image_size=16, batch_size=8)
    watch = fitted(data, channels_last=channels_last, limit_val_batches=0)
    for batch in watch.train:
        for view in batch.images:
            assert view.is_contiguous(memory_format=torch.channels_last) == channels_last


@pytest.mark.parametrize("compile_views", [True, None])
def test_compiled_views_are_the_same(compile_views):
    options = {"image_size": 16, "batch_size": 8, "seed": 3}
    plain = fitted(ViewData(scenes(), compile_views=False, **options), limit_val_batches=0)
    data = ViewData(scenes(), compile_views=compile_views, **options)
    compiled = fitted(data, limit_val_batches=0)
    for batch, expected in zip(compiled.train, plain.train, strict=True):
        for view, other in zip(batch.images, expected.images, strict=True):
            torch.testing.assert_close(view, other, atol=1e-4, rtol=0)


def test_images_of_several_sizes_cannot_be_kept_on_the_device(tmp_path):
    for side in (20, 24):
        Image.new("RGB", (side, side)).save(tmp_path / f"{side}.png")
    data = ViewData(tmp_path, image_size=16, batch_size=2, keep="device")
    with pytest.raises(ValueError, match="needs `images` that are in memory in one size"):
        data.train_dataloader()


def test_files_are_not_left_to_a_device_that_is_none():
    data = ViewData(scenes(), image_size=16, batch_size=8, decode="device", num_workers=1)
    with pytest.raises(ValueError, match="needs a Trainer on a CUDA GPU, got cpu"):
        fitted(data)


def test_folders_are_read(tmp_path):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (20, 20)).save(tmp_path / split / name / "x.png")
    data = ViewData(
        tmp_path / "train",
        str(tmp_path / "test"),
        image_size=16,
        batch_size=2,
        on_unreadable="skip",
    )
    assert isinstance(data.images, ImageFolder)
    assert data.images.on_unreadable == "skip"
    assert data.num_classes == 2
    assert next(iter(data.train_dataloader())).labels.sort().values.tolist() == [0, 1]


def test_other_batches_pass_through():
    batch = ([torch.zeros(1)], torch.zeros(1))
    assert ViewData(scenes(), batch_size=2).on_after_batch_transfer(batch, 0) is batch


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_views": 0}, "`num_views` must be a whole number of at least 1, got 0"),
        ({"policy": []}, "`policy` lists 0 policies"),
        ({"policy": ["moco_v2"], "num_views": 2}, "`policy` lists 1 policies, .* got 2"),
        ({"policy": ["byol", "moco_v2"]}, "`policy` must be a policy of one view .* got 'byol'"),
        ({"policy": "byol", "num_views": 1}, "`num_views` must be 2 for .* 'byol', got 1"),
        ({"keep": "gpu"}, "`keep` must be one of 'nothing', 'memory', 'device', got 'gpu'"),
        ({"decode": "gpu"}, "`decode` must be .*'workers'.*'device'.* got 'gpu'"),
        ({"decode": "device"}, "`decode`='device' needs .* got 'nothing' and 0"),
        (
            {"decode": "device", "keep": "memory", "num_workers": 2},
            "`decode`='device' needs .* got 'memory' and 2",
        ),
        (
            {"dtype": "float16"},
            "`dtype` must be one of 'float32', 'bfloat16', got 'float16'. Did you mean",
        ),
        ({"max_bank": 0}, "`max_bank` must be a whole number of at least 1, got 0"),
        (
            {"policy": "moco"},
            "`policy` must be one of 'zhao_f', 'zhao_fr', 'zhao_frc', 'zhao_frcg',",
        ),
        ({"image_size": 0}, "`image_size` must be a whole number of at least 1, got 0"),
        (
            {"test_images": Scenes(5, image_size=32, first_category=3)},
            r"`test_images` has the classes .* they must be the same",
        ),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        ViewData(scenes(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1, got 0"),
        ({"batch_size": 21}, "`batch_size`=21 exceeds the 20 images"),
        (
            {"decode": "device", "num_workers": 1},
            "`decode`='device' needs a Trainer on a CUDA GPU, got no Trainer",
        ),
        ({"seed": -1}, r"`seed` must be a whole number of at least 0, got -1"),
    ],
)
def test_bad_arguments_that_its_loaders_refuse(options, message):
    with pytest.raises(ValueError, match=message):
        ViewData(scenes(), **options).train_dataloader()


def test_a_folder_is_refused_under_the_name_of_the_argument(tmp_path):
    with pytest.raises(ValueError, match="`test_images` must be a folder of images, got"):
        ViewData(Scenes(8, image_size=32), test_images=tmp_path, image_size=32)
