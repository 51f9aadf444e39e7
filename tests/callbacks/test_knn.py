"""The online kNN in a Trainer: with few classes, few images, many classes."""

import pytest
import torch
from pytorch_lightning import Callback, Trainer

from instdisc.callbacks import OnlineKNN
from instdisc.data import ImageSource, ViewData
from instdisc.methods import MoCoModule
from instdisc.metrics import knn_scores
from instdisc.models import Backbone


class Noise(ImageSource):
    """Noise images of given classes."""

    def __init__(self, labels, num_classes, first=0):
        self.name = "noise"
        self.classes = [str(number) for number in range(num_classes)]
        self.labels = torch.as_tensor(labels)
        self.first = first

    def read(self, index):
        generator = torch.Generator().manual_seed(self.first + index)
        return torch.randint(0, 256, (3, 16, 16), generator=generator, dtype=torch.uint8)


class Collect(Callback):
    """Keeps the features and labels of each validation loader, and what was logged."""

    def __init__(self):
        self.batches, self.metrics = {}, []

    def on_validation_start(self, trainer, pl_module):
        self.batches.clear()

    def on_validation_batch_end(
        self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0
    ):
        rows = self.batches.setdefault(dataloader_idx, ([], []))
        rows[0].append(outputs["features"].clone())
        rows[1].append(outputs["labels"])

    def on_validation_end(self, trainer, pl_module):
        self.metrics.append({k: float(v) for k, v in trainer.callback_metrics.items()})


def validated(data, knn, module=None):
    collect = Collect()
    trainer = Trainer(
        max_epochs=2,
        callbacks=[knn, collect],
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    if module is None:
        module = MoCoModule(Backbone("test_resnet"), queue_size=16, batch_norm_groups=1)
    trainer.fit(module, datamodule=data)
    return collect


@pytest.mark.parametrize(
    ("labels", "num_classes"),
    [([0, 1, 1], 2), (list(range(8)) * 3, 8), (torch.arange(40) * 25, 1000)],
    ids=["3 images", "8 classes", "1000 classes"],
)
def test_accuracy_is_that_of_the_features(labels, num_classes):
    train, test = Noise(labels, num_classes), Noise(labels, num_classes, first=500)
    data = ViewData(train, test, image_size=16, policy="zhao_fr", batch_size=3)
    collect = validated(data, OnlineKNN(k=5, temperature=0.1))
    (bank, bank_labels), (features, wanted) = (
        tuple(torch.cat(part) for part in collect.batches[loader]) for loader in (0, 1)
    )
    scores = knn_scores(features, bank, bank_labels, num_classes=num_classes, k=5, temperature=0.1)
    assert len(bank) == len(features) == len(labels)
    expected = (scores.argmax(1) == wanted).float().mean()
    assert collect.metrics[-1]["knn"] == pytest.approx(float(expected))


def test_the_bank_as_test_set_is_found_by_one_neighbour():
    images = Noise(torch.arange(12) % 4, 4)
    data = ViewData(images, images, image_size=16, policy="zhao_fr", batch_size=4)
    assert [m["knn"] for m in validated(data, OnlineKNN(k=1)).metrics[-2:]] == [1.0, 1.0]


def test_images_of_unknown_class_are_left_out():
    train, test = Noise([0, 0, -1, 1, 1, -1], 2), Noise([0, 0, -1, 1, 1, -1], 2)
    data = ViewData(train, test, image_size=16, policy="zhao_fr", batch_size=3)
    assert validated(data, OnlineKNN(k=1)).metrics[-1]["knn"] == 1.0


def test_without_two_loaders_nothing_is_logged():
    images = Noise([0, 1, 1, 0], 2)

    class OneLoader(ViewData):
        def val_dataloader(self):
            return [self.plain_loader(self.images)]

    data = OneLoader(images, images, image_size=16, policy="zhao_fr", batch_size=2)
    collect = validated(data, OnlineKNN())
    assert all("knn" not in metrics for metrics in collect.metrics)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": 0}, ValueError, "`k` must be a whole number of at least 1, got 0"),
        ({"k": -3}, ValueError, "`k` must be a whole number of at least 1, got -3"),
        ({"k": 2.5}, TypeError, "`k` must be a whole number, got 2.5"),
        ({"k": True}, TypeError, "`k` must be a whole number"),
        ({"k": None}, TypeError, "`k` must be a whole number"),
        ({"temperature": 0.0}, ValueError, "`temperature` must be a finite number above 0"),
        ({"temperature": -0.1}, ValueError, "`temperature` must be a finite number above 0"),
        ({"temperature": float("nan")}, ValueError, "`temperature` must be .* got nan"),
        ({"temperature": float("inf")}, ValueError, "`temperature` must be .* got inf"),
        ({"temperature": "0.1"}, TypeError, "`temperature` must be .* got '0.1'"),
    ],
)
def test_bad_settings(options, error, message):
    with pytest.raises(error, match=message):
        OnlineKNN(**options)


@pytest.mark.parametrize("loader", [0, 1])
def test_features_that_are_not_finite_are_refused_by_name(loader):
    knn = OnlineKNN()
    features = torch.eye(3)
    features[1, 1] = float("nan")
    outputs = {"features": features, "labels": torch.arange(3)}
    with pytest.raises(ValueError, match="`features` must be finite, got nan in image 1. The trai"):
        knn.on_validation_batch_end(None, None, outputs, None, 0, loader)
