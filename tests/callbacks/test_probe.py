"""The online probe: it learns, the backbone does not notice, and it survives a resume."""

import pytest
import torch
from pytorch_lightning import Callback, Trainer

from instdisc.callbacks import OnlineLinearProbe
from instdisc.data import ImageSource, ViewData
from instdisc.methods import MoCoModule
from instdisc.models import Backbone


class Colours(ImageSource):
    """Images of two colours and some noise: easy to tell apart."""

    def __init__(self, labels, num_classes=2):
        self.name = "colours"
        self.classes = [str(number) for number in range(num_classes)]
        self.labels = torch.as_tensor(labels)

    def read(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(0, 100, (3, 16, 16), generator=generator, dtype=torch.uint8)
        image[int(self.labels[index]) % 3] += 100
        return image


class Metrics(Callback):
    def __init__(self):
        self.probe = []

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking and "probe" in trainer.callback_metrics:
            self.probe.append(float(trainer.callback_metrics["probe"]))


def data_of(labels=(0, 1) * 16, num_classes=2, batch_size=8):
    images = Colours(labels, num_classes)
    return ViewData(images, images, image_size=16, policy="zhao_fr", batch_size=batch_size)


def trainer_of(*callbacks, max_epochs=1):
    return Trainer(
        max_epochs=max_epochs,
        callbacks=list(callbacks),
        logger=False,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def module_of(name="test_resnet", **options):
    torch.manual_seed(0)
    return MoCoModule(
        Backbone(name, **options), queue_size=16, batch_norm_groups=1, learning_rate=0.01
    )


def test_it_learns_what_the_features_tell():
    metrics = Metrics()
    probe = OnlineLinearProbe(2, learning_rate=0.02)
    trainer_of(probe, metrics, max_epochs=6).fit(module_of(), datamodule=data_of())
    assert metrics.probe[-1] > 0.9


@pytest.mark.parametrize(
    ("labels", "num_classes"),
    [([0, 1, 1], 2), (torch.arange(40) * 25, 1000)],
    ids=["3 images", "1000 classes"],
)
def test_any_number_of_classes(labels, num_classes):
    metrics = Metrics()
    probe = OnlineLinearProbe(num_classes)
    data = data_of(labels, num_classes, batch_size=3)
    trainer_of(probe, metrics).fit(module_of(), datamodule=data)
    assert len(metrics.probe) == 1
    assert 0 <= metrics.probe[0] <= 1


def test_a_step_is_that_of_a_plain_classifier():
    """Two steps of Adam on layer-normed features of the class that is known."""
    probe = OnlineLinearProbe(3, learning_rate=0.1)
    module, trainer = module_of(), trainer_of()
    probe.on_fit_start(trainer, module)
    head = torch.nn.Linear(module.backbone.dim, 3)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.Adam(head.parameters(), 0.1)
    for step in range(2):
        features = torch.randn(5, module.backbone.dim)
        labels = torch.tensor([0, 2, -1, 1, 2])
        outputs = {"features": features, "labels": labels}
        probe.on_train_batch_end(trainer, module, outputs, None, step)
        normed = (features - features.mean(1, keepdim=True)) / (
            features.var(1, keepdim=True, unbiased=False) + 1e-5
        ).sqrt()
        logs = head(normed).log_softmax(1)
        loss = -sum(logs[row, label] for row, label in enumerate(labels) if label >= 0) / 5
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    state = probe.state_dict()["head"]
    torch.testing.assert_close(state["weight"], head.weight.detach(), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(state["bias"], head.bias.detach(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "options"),
    [("test_resnet", {}), ("test_vit", {"img_size": 16, "drop_path_rate": 0.3})],
)
def test_the_backbone_does_not_notice(name, options):
    states = []
    for callbacks in ([], [OnlineLinearProbe(2)]):
        module = module_of(name, **options)
        trainer_of(*callbacks, max_epochs=2).fit(module, datamodule=data_of())
        states.append(module.state_dict())
    assert states[0].keys() == states[1].keys()
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key


def test_it_survives_a_resume(tmp_path):
    whole = OnlineLinearProbe(2)
    trainer_of(whole, max_epochs=4).fit(module_of(), datamodule=data_of())

    class Stop(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "half.ckpt")
                trainer.should_stop = True

    stopped = trainer_of(OnlineLinearProbe(2), Stop(), max_epochs=4)
    stopped.fit(module_of(), datamodule=data_of())
    resumed = OnlineLinearProbe(2)
    trainer_of(resumed, max_epochs=4).fit(
        module_of(), datamodule=data_of(), ckpt_path=tmp_path / "half.ckpt"
    )
    ours, theirs = resumed.state_dict(), whole.state_dict()
    for key, value in theirs["head"].items():
        assert torch.equal(ours["head"][key], value)
    for number, state in theirs["optimizer"]["state"].items():
        for key, value in state.items():
            assert torch.equal(ours["optimizer"]["state"][number][key], value)


def test_nothing_known_is_nothing_logged():
    metrics = Metrics()
    probe = OnlineLinearProbe(2)
    trainer_of(probe, metrics).fit(module_of(), datamodule=data_of([-1] * 8))
    assert metrics.probe == []
    assert probe.state_dict()["head"]["weight"].abs().max() == 0


def test_a_label_outside_the_classes_is_refused():
    with pytest.raises(
        ValueError,
        match="`labels` must be classes below `num_classes`=2 of the probe, or -1, got 2",
    ):
        trainer_of(OnlineLinearProbe(2)).fit(
            module_of(), datamodule=data_of((0, 1, 2, 2) * 4, num_classes=3)
        )


@pytest.mark.parametrize(
    ("num_classes", "learning_rate", "error", "message"),
    [
        (1, 1e-3, ValueError, "`num_classes` must be a whole number of at least 2, got 1"),
        (0, 1e-3, ValueError, "`num_classes` must be a whole number of at least 2, got 0"),
        (2.0, 1e-3, TypeError, "`num_classes` must be a whole number, got 2.0"),
        (True, 1e-3, TypeError, "`num_classes` must be a whole number"),
        (2, 0.0, ValueError, "`learning_rate` must be a finite number above 0, got 0.0"),
        (2, -1, ValueError, "`learning_rate` must be a finite number above 0, got -1"),
        (2, float("nan"), ValueError, "`learning_rate` must be .* got nan"),
        (2, float("inf"), ValueError, "`learning_rate` must be .* got inf"),
        (2, "1e-3", TypeError, "`learning_rate` must be .* got '1e-3'"),
    ],
)
def test_bad_arguments(num_classes, learning_rate, error, message):
    with pytest.raises(error, match=message):
        OnlineLinearProbe(num_classes, learning_rate=learning_rate)


def test_state_before_a_run_is_empty():
    probe = OnlineLinearProbe(2)
    assert probe.state_dict() == {}
    probe.load_state_dict({})


def test_features_that_are_not_finite_are_refused_by_name():
    probe, module, trainer = OnlineLinearProbe(3), module_of(), trainer_of()
    probe.on_fit_start(trainer, module)
    features = torch.randn(4, module.backbone.dim)
    features[2, 5] = float("inf")
    outputs = {"features": features, "labels": torch.tensor([0, 1, 2, -1])}
    message = "`features` must be finite, got inf in image 2. The training diverged"
    with pytest.raises(ValueError, match=message):
        probe.on_train_batch_end(trainer, module, outputs, None, 0)
    with pytest.raises(ValueError, match=message):
        probe.on_validation_batch_end(trainer, module, outputs, None, 0, 1)
    features[2, 5] = 0
    probe._head.weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="`logits` must be finite, got nan in image 0"):
        probe.on_validation_batch_end(trainer, module, outputs, None, 0, 1)
