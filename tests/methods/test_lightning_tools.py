"""Lightning's own tools on a pretraining: each of them does what it says."""

import copy
import csv
import math

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    BackboneFinetuning,
    BatchSizeFinder,
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateFinder,
    LearningRateMonitor,
    ModelCheckpoint,
    StochasticWeightAveraging,
    WeightAveraging,
)
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.tuner import Tuner

import instdisc
from instdisc.testing.runs import fit, make_batches

pytestmark = [
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
    pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]

STEPS = 8


def moco(**settings):
    torch.manual_seed(0)
    return instdisc.MoCoModule(
        "test_resnet", **{"queue_size": 64, "batch_norm_groups": 2, **settings}
    )


def make_data(count=64, batch_size=8, test=0):
    return instdisc.ViewData(
        instdisc.Scenes(count, image_size=32),
        instdisc.Scenes(test, image_size=32, split="test") if test else None,
        image_size=32,
        batch_size=batch_size,
    )


def make_trainer(folder, *callbacks, **options):
    defaults = {
        "default_root_dir": folder,
        "max_epochs": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(**{**defaults, **options}, callbacks=list(callbacks))


def queue_of(module):
    return copy.deepcopy(module.objectives["contrast"].queue.state_dict())


class Losses(pl.Callback):
    """Every step's loss, and what monitors are shown."""

    def __init__(self):
        self.losses, self.shown = [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(float(outputs["loss"]))
        self.shown.append(float(trainer.callback_metrics["loss"]))


# Eight steps an epoch, and Lightning's default interval of 50.


def test_loss_of_a_short_run_is_in_csv_bar_and_tensorboard(tmp_path):
    loggers = [CSVLogger(tmp_path, "csv"), TensorBoardLogger(tmp_path, "board")]
    losses = Losses()
    trainer = make_trainer(tmp_path, losses, logger=loggers)
    trainer.fit(moco(), make_data())
    mean = sum(losses.losses) / STEPS
    with open(f"{loggers[0].log_dir}/metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == pytest.approx([mean])
    assert trainer.progress_bar_metrics["loss"] == pytest.approx(mean)
    assert _scalars(loggers[1].log_dir)["loss"] == [(STEPS - 1, pytest.approx(mean))]
    assert losses.shown == losses.losses


def test_losses_of_terms_and_of_the_steps_that_are_due(tmp_path):
    torch.manual_seed(0)
    logger = TensorBoardLogger(tmp_path, "board")
    losses, data = Losses(), make_data()
    module = instdisc.CrossEntropyMoCoModule(
        "test_resnet",
        num_classes=data.num_classes,
        queue_size=64,
        batch_norm_groups=2,
        reference_batch=None,
    )
    trainer = make_trainer(tmp_path, losses, logger=logger, log_every_n_steps=3)
    trainer.fit(module, data)
    mean = sum(losses.losses) / STEPS
    scalars = _scalars(logger.log_dir)
    wanted = [(2, losses.losses[2]), (5, losses.losses[5]), (7, mean)]
    assert scalars["loss"] == [(step, pytest.approx(value)) for step, value in wanted]
    for (_, total), (_, first), (_, second) in zip(
        *(scalars[name] for name in ("loss", "classes/loss", "contrast/loss")), strict=True
    ):
        assert total == pytest.approx(first + 0.5 * second, rel=1e-5)


def _scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_accumulated_steps_are_logged_once(tmp_path):
    logger = CSVLogger(tmp_path, "csv")
    losses = Losses()
    trainer = make_trainer(
        tmp_path, losses, logger=logger, log_every_n_steps=2, accumulate_grad_batches=2
    )
    trainer.fit(moco(), make_data())
    with open(f"{logger.log_dir}/metrics.csv") as file:
        rows = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]
    mean = sum(losses.losses) / STEPS
    # What a step returns is divided by the number of batches that a step is made of.
    wanted = [(1, 2 * losses.losses[3]), (3, 2 * losses.losses[7]), (3, 2 * mean)]
    assert rows == [(step, pytest.approx(value)) for step, value in wanted]


def test_mean_of_an_epoch_that_was_interrupted(tmp_path):
    class Killed(Exception):
        pass

    class Kill(pl.Callback):
        def on_train_batch_end(self, trainer, *rest):
            if trainer.global_step == 3:
                trainer.save_checkpoint(tmp_path / "a.ckpt")
                raise Killed

    whole = make_trainer(tmp_path)
    whole.fit(moco(), make_data())
    with pytest.raises(Killed):
        make_trainer(tmp_path, Kill()).fit(moco(), make_data())
    rest = make_trainer(tmp_path)
    rest.fit(moco(), make_data(), ckpt_path=tmp_path / "a.ckpt")
    assert rest.callback_metrics["loss"] == whole.callback_metrics["loss"]


@pytest.mark.parametrize("test", [0, 16])
def test_checkpoint_of_the_lowest_loss(tmp_path, test):
    keep = ModelCheckpoint(tmp_path, "{epoch}", monitor="loss", save_top_k=1)
    losses = Losses()
    trainer = make_trainer(tmp_path, keep, losses, enable_checkpointing=True, max_epochs=3)
    trainer.fit(moco(), make_data(test=test))
    means = [sum(losses.losses[i : i + STEPS]) / STEPS for i in range(0, 3 * STEPS, STEPS)]
    assert float(keep.best_model_score) == pytest.approx(min(means))
    assert keep.best_model_path.endswith(f"epoch={means.index(min(means))}.ckpt")


def test_checkpoint_of_the_lowest_loss_of_some_steps(tmp_path):
    keep = ModelCheckpoint(tmp_path, "{step}", monitor="loss", every_n_train_steps=3)
    losses = Losses()
    trainer = make_trainer(tmp_path, keep, losses, enable_checkpointing=True)
    trainer.fit(moco(), make_data())
    candidates = [losses.losses[2], losses.losses[5]]
    assert float(keep.best_model_score) == pytest.approx(min(candidates))


@pytest.mark.parametrize("test", [0, 16])
def test_early_stopping(tmp_path, test):
    stop = EarlyStopping("loss", min_delta=100.0, patience=2)
    trainer = make_trainer(tmp_path, stop, max_epochs=9)
    trainer.fit(moco(), make_data(test=test))
    assert trainer.global_step == 3 * STEPS


def test_learning_rate_finder_suggests_and_gives_all_back(tmp_path):
    class Searched(instdisc.MoCoModule):
        def training_step(self, batch, batch_idx):
            outputs = super().training_step(batch, batch_idx)
            losses.append(float(outputs["loss"].detach()))
            rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
            return outputs

    losses, rates, data = [], [], make_data()
    settings = {"queue_size": 256, "batch_norm_groups": 2, "learning_rate": 0.5, "warmup": 0.3}
    torch.manual_seed(0)
    module = Searched("test_resnet", **settings)
    state = copy.deepcopy(module.state_dict())
    trainer = make_trainer(tmp_path, enable_checkpointing=True, max_epochs=4)
    finder = Tuner(trainer).lr_find(
        module, datamodule=data, min_lr=1e-5, max_lr=10.0, num_training=60, update_attr=False
    )
    assert rates[0] == finder.results["lr"][0] == 1e-5
    assert rates == sorted(rates)
    assert 1e-3 < finder.suggestion() < 10.0
    # With the random keys of a new queue the loss would begin low and rise as they are replaced.
    assert min(losses[:20]) > 0.8 * max(losses[:20])
    for name, value in module.state_dict().items():
        assert torch.equal(value, state[name]), name
    trainer = make_trainer(tmp_path)
    trainer.fit(module, make_data())
    fresh = moco(**settings)
    make_trainer(tmp_path).fit(fresh, make_data())
    for name, value in module.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name
    assert module.recipe["changes"] == []


def test_learning_rate_finder_as_a_callback_sets_the_rate(tmp_path):
    class Rates(pl.Callback):
        def __init__(self):
            self.rates = []

        def on_train_batch_start(self, trainer, *rest):
            self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    rates = Rates()
    find = LearningRateFinder(1e-4, 1.0, num_training_steps=30, update_attr=True)
    module = moco(schedule="constant")
    trainer = make_trainer(tmp_path, find, rates, enable_checkpointing=True, max_epochs=4)
    trainer.fit(module, make_data())
    assert module.learning_rate == find.optimal_lr.suggestion() != 0.03
    assert rates.rates == pytest.approx([module.learning_rate] * 4 * STEPS)
    assert module.recipe["learning_rate"] == module.learning_rate


@pytest.mark.parametrize("mode", ["power", "binsearch"])
def test_batch_size_finder_ends_at_the_size_of_the_set(tmp_path, mode):
    data = make_data(40, 8)
    trainer = make_trainer(tmp_path, enable_checkpointing=True)
    size = Tuner(trainer).scale_batch_size(
        moco(batch_norm_groups=1, queue_size=128), datamodule=data, mode=mode, max_trials=10
    )
    assert size == data.batch_size
    assert (size == 40) == (mode == "power")
    trainer = make_trainer(tmp_path)
    trainer.fit(moco(batch_norm_groups=1, queue_size=128), make_data(40, size))
    assert trainer.global_step == 1


@pytest.mark.parametrize("mode", ["power", "binsearch"])
def test_batch_size_finder_begins_and_ends_as_groups_allow(tmp_path, mode):
    """From Lightning's 2 images, with the 8 groups of the default."""
    data, module = make_data(36, 8), moco(batch_norm_groups=8, queue_size=128)
    trainer = make_trainer(tmp_path, enable_checkpointing=True)
    result = Tuner(trainer).scale_batch_size(module, datamodule=data, mode=mode)
    assert result == data.batch_size == 32  # of 36, and of 34
    assert module.batch_norm.groups == 8
    trainer = make_trainer(tmp_path)
    trainer.fit(module, make_data(36, result))
    assert trainer.global_step == 1


def test_batch_size_finder_as_a_callback_trains_in_the_groups_that_were_asked_for(tmp_path):
    class Groups(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            self.seen = pl_module.backbone.net.bn1.groups, len(batch.labels)

    groups = Groups()
    find = BatchSizeFinder(max_trials=1)
    trainer = make_trainer(tmp_path, find, groups, enable_checkpointing=True)
    trainer.fit(moco(batch_norm_groups=8), make_data(40))
    assert groups.seen == (8, 16)
    assert find.optimal_batch_size == 16
    assert trainer.global_step == 2


def test_stochastic_weight_averaging(tmp_path):
    class Weights(pl.Callback):
        def __init__(self):
            self.weights, self.queues, self.rates = [], [], []

        def on_train_batch_start(self, trainer, *rest):
            self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

        def on_train_epoch_start(self, trainer, pl_module):
            weight = pl_module.objectives["contrast"].projector.layers[0].weight
            self.weights.append(weight.detach().clone())
            self.queues.append(queue_of(pl_module))

    average = StochasticWeightAveraging(0.05, swa_epoch_start=2, annealing_epochs=1)
    weights, module = Weights(), moco()
    trainer = make_trainer(tmp_path, average, weights, max_epochs=4)
    with pytest.warns(UserWarning, match="SWA is currently only supported every epoch"):
        trainer.fit(module, make_data())
    weight = module.objectives["contrast"].projector.layers[0].weight
    torch.testing.assert_close(weight.data, torch.stack(weights.weights[1:4]).mean(0))
    # Until it takes over, the rate is that of a run of four epochs; the fifth trains nothing.
    rates = [0.015 * (1 + math.cos(math.pi * step / (4 * STEPS))) for step in range(STEPS)]
    assert weights.rates[:STEPS] == pytest.approx(rates)
    last = queue_of(module)
    assert all(torch.isfinite(value).all() for value in module.state_dict().values())
    assert int(last["pushed"]) == 4 * STEPS * 8
    norms = last["features"].norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))


@pytest.mark.parametrize("average", [EMAWeightAveraging, WeightAveraging])
def test_averages_of_weights_leave_the_queue_alone(tmp_path, average):
    class Queues(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, *rest):
            self.queue = queue_of(pl_module)
            self.weight = pl_module.backbone.net.conv1[0].weight.detach().clone()

    module, plain, queues = moco(), moco(), Queues()
    averaging = average(decay=0.5) if average is EMAWeightAveraging else average()
    keep = ModelCheckpoint(tmp_path, "a", every_n_train_steps=5)
    make_trainer(tmp_path).fit(plain, make_data())
    trainer = make_trainer(tmp_path, averaging, queues, keep, enable_checkpointing=True)
    trainer.fit(module, make_data(test=16))
    # It trains as without, and ends with the average of the weights and the queue of the training.
    assert torch.equal(queues.weight, plain.backbone.net.conv1[0].weight)
    assert not torch.equal(module.backbone.net.conv1[0].weight, queues.weight)
    for name, value in queue_of(module).items():
        assert torch.equal(value, queues.queue[name]), name
        assert torch.equal(value, queue_of(plain)[name]), name
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)
    for name in ("features", "labels", "pushed"):
        name = f"objectives.contrast.queue.{name}"
        assert torch.equal(saved["state_dict"][name], saved["current_model_state"][name])
    assert int(saved["state_dict"]["objectives.contrast.queue.pushed"]) == 5 * 8
    rest = moco()
    averaging = average(decay=0.5) if average is EMAWeightAveraging else average()
    trainer = make_trainer(tmp_path, averaging)
    trainer.fit(rest, make_data(test=16), ckpt_path=tmp_path / "a.ckpt")
    for name, value in module.state_dict().items():
        assert torch.equal(value, rest.state_dict()[name]), name


def test_backbone_finetuning(tmp_path):
    class Rates(pl.Callback):
        def __init__(self):
            self.rates, self.weights = [], []

        def on_train_batch_start(self, trainer, pl_module, *rest):
            groups = trainer.optimizers[0].param_groups
            self.rates.append([group["lr"] for group in groups])
            self.weights.append(pl_module.backbone.net.conv1[0].weight.detach().clone())

    unfreeze = BackboneFinetuning(
        1, lambda epoch: 2.0, backbone_initial_ratio_lr=0.1, should_align=False, train_bn=False
    )
    rates, module = Rates(), moco(learning_rate=0.1)
    make_trainer(tmp_path, unfreeze, rates, max_epochs=3).fit(module, make_data())
    assert all(torch.equal(weight, rates.weights[0]) for weight in rates.weights[:9])
    assert not torch.equal(rates.weights[9], rates.weights[0])
    heads = [0.05 * (1 + math.cos(math.pi * step / 24)) for step in range(24)]
    assert [pair[0] for pair in rates.rates] == pytest.approx(heads)
    first = heads[8] * 0.1
    expected = [first] * 8 + [2 * first] * 8
    assert [pair[1] for pair in rates.rates[8:]] == pytest.approx(expected)


def test_backbone_finetuning_goes_on(tmp_path):
    """Killed after the backbone joined, and with another weight decay."""

    class Killed(Exception):
        pass

    class Groups(pl.Callback):
        def __init__(self, last=99):
            self.groups, self.last = [], last

        def on_train_batch_start(self, trainer, *rest):
            groups = trainer.optimizers[0].param_groups
            self.groups.append([(group["lr"], group["weight_decay"]) for group in groups])

        def on_train_batch_end(self, trainer, *rest):
            if trainer.global_step == self.last:
                trainer.save_checkpoint(tmp_path / "a.ckpt")
                raise Killed

    def run(groups, ckpt_path=None, **settings):
        unfreeze = BackboneFinetuning(1, lambda epoch: 2.0, should_align=False, train_bn=False)
        trainer = make_trainer(tmp_path, unfreeze, groups, max_epochs=2)
        trainer.fit(moco(**settings), make_data(), ckpt_path=ckpt_path)

    whole, rest = Groups(), Groups()
    run(whole)
    with pytest.raises(Killed):
        run(Groups(11))
    run(rest, tmp_path / "a.ckpt", weight_decay=0.5)
    expected = [[(rate, 0.5) for rate, _ in groups] for groups in whole.groups[11:]]
    assert rest.groups == expected
    assert len(expected[0]) == 2


def test_learning_rate_monitor(tmp_path):
    logger, monitor = CSVLogger(tmp_path), LearningRateMonitor()
    trainer = make_trainer(tmp_path, monitor, logger=logger, log_every_n_steps=1)
    trainer.fit(moco(learning_rate=1.0), make_data())
    with open(f"{logger.log_dir}/metrics.csv") as file:
        rates = [float(row["lr-SGD"]) for row in csv.DictReader(file) if row["lr-SGD"]]
    expected = [instdisc.methods.learning_rate_factor(step, STEPS) for step in range(STEPS)]
    assert rates == pytest.approx(expected)


def test_bare_trainer():
    """Lightning's Trainer without logs, bars and checks."""
    trainer = pl.Trainer(barebones=True, max_steps=2, accelerator="cpu")
    trainer.fit(moco(), make_data())
    assert trainer.global_step == 2


def test_loss_is_kept_for_those_who_ask_for_all(tmp_path):
    trainer = fit(moco(), make_batches(3, 8, 32), log_every_n_steps=1)
    assert trainer.logged_metrics["loss"] == trainer.callback_metrics["loss"]
