"""The online monitor of rank and separation: what it logs, when, and what it leaves alone."""

import pytest
import torch
from pytorch_lightning import Callback, Trainer

from instdisc.analysis.geometry import class_separation, intra_class_spread, rankme
from instdisc.callbacks import GeometryMonitor
from instdisc.callbacks.geometry import _measure
from instdisc.data import Scenes, ViewData
from instdisc.methods import MoCoModule
from instdisc.models import Backbone

NAMES = {"rankme", "class_separation", "intra_class_spread"}


class Collect(Callback):
    """Keeps features and labels of the second loader at each validation, and what was logged."""

    def __init__(self):
        self.features, self.labels, self.logged = [], [], []

    def on_validation_start(self, trainer, pl_module):
        self.features, self.labels = [], []

    def on_validation_batch_end(
        self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0
    ):
        if dataloader_idx == 1:
            self.features.append(outputs["features"].clone())
            self.labels.append(outputs["labels"])

    def on_validation_end(self, trainer, pl_module):
        metrics = {k: float(v) for k, v in trainer.callback_metrics.items() if k in NAMES}
        self.logged.append(metrics)
        trainer.callback_metrics.clear()


def fitted(monitor, *, epochs=2, data=None, **options):
    collect = Collect()
    trainer = Trainer(
        max_epochs=epochs,
        callbacks=[monitor, collect],
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    torch.manual_seed(0)
    module = MoCoModule(Backbone("test_resnet"), queue_size=16, batch_norm_groups=1)
    trainer.fit(module, datamodule=data or scenes())
    return collect, module


def scenes():
    images = Scenes(24, image_size=32, num_categories=3)
    test = Scenes(20, image_size=32, num_categories=3, seed=1)
    return ViewData(images, test, image_size=16, policy="zhao_fr", batch_size=6)


def test_numbers_are_those_of_the_features():
    collect, _ = fitted(GeometryMonitor())
    features, labels = torch.cat(collect.features), torch.cat(collect.labels)
    assert len(features) == 20
    assert collect.logged[-1] == {
        "rankme": pytest.approx(rankme(features), rel=1e-5),
        "class_separation": pytest.approx(class_separation(features, labels).value, rel=1e-5),
        "intra_class_spread": pytest.approx(intra_class_spread(features, labels).value, rel=1e-5),
    }
    assert collect.logged[-2] != collect.logged[-1]


def test_training_does_not_notice():
    (_, watched), (_, alone) = fitted(GeometryMonitor()), fitted(Callback())
    for a, b in zip(watched.state_dict().values(), alone.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_only_so_many_validations_and_images(monkeypatch):
    calls = []

    def counted(features):
        calls.append(len(features))
        return rankme(features)

    monkeypatch.setattr("instdisc.callbacks.geometry.rankme", counted)
    collect, _ = fitted(GeometryMonitor(every=2, max_images=9), epochs=4)
    # First the check before the training, which does not count.
    assert [set(metrics) for metrics in collect.logged] == [set(), NAMES, set(), NAMES, set()]
    assert calls == [9, 9]


def test_at_other_validations_nothing_is_kept():
    monitor = GeometryMonitor(every=3)
    kept = []

    class Look(Callback):
        def on_validation_batch_end(self, *arguments, **options):
            kept.append(monitor._kept)

    trained = Trainer(
        max_epochs=3,
        callbacks=[monitor, Look()],
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    module = MoCoModule(Backbone("test_resnet"), queue_size=16, batch_norm_groups=1)
    trained.fit(module, datamodule=scenes())
    per_validation = len(kept) // 3
    assert max(kept[:per_validation]) == 20
    assert max(kept[per_validation:]) == 0


def test_without_validation_nothing_is_logged():
    collect, _ = fitted(GeometryMonitor(), limit_val_batches=0)
    assert collect.logged == []


def test_the_count_of_validations_survives_a_resume():
    monitor = GeometryMonitor(every=4)
    monitor._validations = 3
    again = GeometryMonitor(every=4)
    again.load_state_dict(monitor.state_dict())
    assert again._validations == 3


class Single:
    """A Trainer as far as the monitor looks at it."""

    sanity_checking, world_size, num_val_batches = False, 1, [1]


class Module:
    device = torch.device("cpu")

    def __init__(self):
        self.logged = {}

    def log(self, name, value, **options):
        self.logged[name] = value


def watched(features, labels):
    monitor, module = GeometryMonitor(), Module()
    monitor.on_validation_start(Single(), module)
    outputs = {"features": features, "labels": labels}
    monitor.on_validation_batch_end(Single(), module, outputs, None, 0)
    monitor.on_validation_epoch_end(Single(), module)
    return module.logged


def test_collapsed_features_have_rank_one():
    assert watched(torch.ones(6, 3), torch.arange(6) % 2) == {"rankme": 1.0}


def test_without_classes_the_rank_alone_is_logged():
    features = torch.randn(6, 3)
    assert set(watched(features, torch.full((6,), -1))) == {"rankme"}
    assert set(watched(features, torch.zeros(6, dtype=torch.int64))) == {"rankme"}
    assert set(watched(features, torch.arange(6) % 2)) == NAMES
    features[2] = 0
    assert set(watched(features, torch.arange(6) % 2)) == {"rankme"}
    assert watched(features[:3], torch.arange(3)) == {}


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="`features` must be finite, got nan in image 0. The trai"):
        watched(torch.full((6, 3), torch.nan), torch.arange(6) % 2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 0}, ValueError, "`every` must be a whole number of at least 1"),
        ({"every": 1.5}, TypeError, "`every` must be a whole number"),
        ({"max_images": 3}, ValueError, "`max_images` must be a whole number of at least 4"),
    ],
)
def test_bad_settings(options, error, message):
    with pytest.raises(error, match=message):
        GeometryMonitor(**options)


@pytest.mark.parametrize("last", [8.0, 0.0])
def test_features_without_directions_stop_nothing(last):
    """All in one direction, one of them zero or none: a training goes on."""
    lengths = torch.tensor([1.0, 2, 3, 4, 5, 6, 7, last])
    rows = lengths[:, None] * torch.tensor([[1.0, 2.0]])
    numbers = _measure(rows, torch.arange(8) % 2)
    assert numbers["rankme"] == pytest.approx(1, abs=1e-5)
    assert "class_separation" not in numbers
