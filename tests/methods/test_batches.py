"""Batches as other libraries' loaders make them, and what is no batch."""

import pytest
import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader

import instdisc
from instdisc.callbacks import OnlineKNN
from instdisc.methods.training.batch import TrainingBatches, ValidationBatches, check_views
from instdisc.testing.runs import fit

OFF = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}


def moco(**options) -> instdisc.MoCoModule:
    return instdisc.MoCoModule("test_resnet", queue_size=32, batch_norm_groups=1, **options)


def views(count: int = 8, channels: int = 3) -> list[torch.Tensor]:
    return [torch.randn(count, channels, 16, 16) for _ in range(2)]


def image(label, *more):
    return (torch.randn(3, 16, 16), label, *more)


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int64])
def test_labels_of_any_whole_type_train(dtype):
    module = moco()
    fit(module, [(views(), torch.arange(8).to(dtype))])
    assert module.objectives["contrast"].queue.labels[:8].tolist() == list(range(8))


def test_lightlys_batches_with_names_train():
    names = [f"{i}.png" for i in range(8)]
    fit(moco(), [(views(), torch.zeros(8, dtype=torch.int64), names)])


@pytest.mark.parametrize("more", [(), ("name.png",), (3,)])
def test_any_loader_validates(more):
    """Of (image, label), lightly's (image, label, name), and (image, label, position)."""
    images = [image(i % 2, *more) for i in range(8)]
    train = DataLoader([((torch.randn(3, 16, 16),) * 2, i % 2) for i in range(8)], 8)
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[OnlineKNN(1)], log_every_n_steps=1, **OFF
    )
    trainer.fit(moco(), train, [DataLoader(images, 4), DataLoader(images, 4)])
    assert trainer.callback_metrics["knn"] == 1.0  # each image is its own neighbour


def test_images_without_positions_are_numbered():
    batches = ValidationBatches()
    pixels, labels = torch.zeros(3, 3, 8, 8), torch.arange(3)
    for number, expected in ((0, [0, 1, 2]), (1, [3, 4, 5]), (0, [0, 1, 2])):
        assert batches.read((pixels, labels), number, 0)[2].tolist() == expected
    assert batches.read((pixels, labels), 0, 1)[2].tolist() == [0, 1, 2]
    assert batches.read(([pixels], labels, labels + 7), 0, 0)[2].tolist() == [7, 8, 9]


def test_views_of_the_backbones_channels():
    backbone = instdisc.Backbone("test_resnet", in_chans=1)
    module = instdisc.MoCoModule(backbone, queue_size=32, batch_norm_groups=1)
    fit(module, [(views(channels=1), torch.arange(8))])
    with pytest.raises(ValueError, match=r"`images.0.` must be a tensor \(B, 1, H, W\)"):
        fit(module, [(views(), torch.arange(8))])


LABELS = torch.arange(8)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ((views(), ("cat",) * 8), TypeError, "`labels` must be a tensor of .* Give each class"),
        ((views(), LABELS.float()), TypeError, "`labels` must be of torch.int64"),
        ((views(), LABELS[:, None]), ValueError, r"`labels` must be \(8,\)"),
        ((views(), LABELS[1:]), ValueError, r"`labels` must be \(8,\)"),
        (([v.byte() for v in views()], LABELS), TypeError, "`images.0.` .* Divide pixels by 255"),
        ((views(channels=1), LABELS), ValueError, r"`images.0.` .* \(B, 3, H, W\).* to RGB"),
        (([views()[0], views(6)[0]], LABELS), ValueError, "`images.1.` must be of 8 images"),
        ((views(0), LABELS[:0]), ValueError, "`images.0.` must be at least one image"),
        ((views()[0], LABELS), TypeError, "one tensor .* for `images`"),
        ("text", TypeError, "a batch must be"),
    ],
)
def test_what_is_no_batch(batch, error, message):
    with pytest.raises(error, match=message):
        check_views(batch, moco().objectives.values(), None)


@pytest.mark.parametrize("kind", ["moco", "supervised"])
def test_a_batch_of_one_image_is_refused(kind):
    module = moco() if kind == "moco" else instdisc.SupervisedModule("test_resnet", num_classes=8)
    with pytest.raises(ValueError, match="`batch_size` must be at least 2, since batch norm"):
        fit(module, [(views(1), LABELS[:1])])


def test_images_that_are_not_finite_are_told():
    images = views()
    images[1][3, 0, 2, 2] = torch.inf
    message = r"not finite at step 1\. `images.1.` of the batch hold NaN or infinity in 1 of 8 im"
    with pytest.raises(FloatingPointError, match=message + ".* position 3.*; no checkpoint"):
        fit(moco(), [(views(), LABELS), (images, LABELS)])


def test_a_batch_of_another_form_is_looked_at():
    batches = TrainingBatches()
    batches.check((views(), LABELS), moco().objectives.values(), 3, "32-true")
    assert batches.are_like([views(), LABELS]) is False
    assert batches.are_like((views(), LABELS))
    halves = [view.half() for view in views()]
    for other in (
        (views(6), LABELS),
        (views(), LABELS.int()),
        (halves, LABELS),
        (views()[:1], LABELS),
    ):
        assert not batches.are_like(other)
    batches.begin_run()
    assert not batches.are_like((views(), LABELS))


def test_groups_without_several_images():
    module = instdisc.MoCoModule("test_resnet", queue_size=32)
    with pytest.raises(ValueError, match="`batch_norm_groups` must .* batch of 8 in 8 groups"):
        fit(module, [(views(), LABELS)])


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
def test_views_of_half_precision_need_a_run_that_takes_them():
    batch = ([view.bfloat16() for view in views()], LABELS)
    with pytest.raises(TypeError, match=r"`images\[0\]` must be of torch.float32.*bf16-mixed"):
        fit(moco(), [batch])
    trainer = Trainer(
        precision="bf16-mixed", max_steps=1, accelerator="cpu", limit_val_batches=0, **OFF
    )
    trainer.fit(moco(), DataLoader([batch], batch_size=None))
    assert trainer.global_step == 1
