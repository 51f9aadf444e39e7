"""The papers' values of linear evaluation, few-shot, fine-tuning and kNN, as they are used."""

import importlib
import inspect

import pytest
import torch

from instdisc.data import (
    BSCD_FSL_EPISODES,
    ISLAM_EPISODES,
    Scenes,
    draw_episodes,
    view_policy,
)
from instdisc.metrics import KNNAccuracy
from instdisc.metrics.classification import calibration_error
from instdisc.models import Backbone
from instdisc.transfer import (
    BSCD_FSL_RECIPE,
    ISLAM_RECIPE,
    evaluate_few_shot,
    evaluate_knn,
    evaluate_linear_grid,
    evaluate_moco_linear,
    finetune,
    finetune_few_shot,
)
from instdisc.transfer.finetuning.module import FineTuner
from instdisc.transfer.linear import grid as grid_room
from instdisc.transfer.linear import heads as heads_room
from instdisc.transfer.linear import moco as moco_room
from instdisc.transfer.linear.heads import LinearHeads, Recipe, Training, train_heads
from instdisc.transfer.linear.regression import _VALIDATED_ON, PENALTIES
from instdisc.transfer.tuning import tuning_split


class Seen(Exception):
    """Raised in the place of a training, with what it was asked for."""


def default(function, name):
    return inspect.signature(function).parameters[name].default


@pytest.fixture(scope="module")
def scenes():
    return Scenes(20, image_size=32, num_categories=2)


def asked(monkeypatch, room, function, scenes, **options):
    """The arguments with which a room trains its classifiers."""
    calls = []

    def record(backbone, images, recipes, **arguments):
        calls.append((list(recipes), arguments))
        raise Seen

    monkeypatch.setattr(room, "train_heads", record)
    with pytest.raises(Seen):
        function(Backbone("test_resnet"), scenes, scenes, image_size=32, **options)
    return calls[0]


GRID = [(rate, batch, decay) for rate in (0.01, 0.001) for batch in (128, 32)
        for decay in (0.0, 1e-4, 1e-5)]  # fmt: skip


@pytest.mark.parametrize("function", [evaluate_linear_grid, finetune])
def test_grid(function):
    assert [tuple(recipe) for recipe in default(function, "grid")] == GRID
    assert (default(function, "tune_epochs"), default(function, "epochs")) == (20, 50)


def test_grid_training(monkeypatch, scenes):
    _, arguments = asked(
        monkeypatch, grid_room, evaluate_linear_grid, scenes, grid=[Recipe(0.01, 4, 0.0)]
    )
    training = arguments["training"]
    assert (training.epochs, tuple(training.milestones)) == (50, (25, 37))
    assert (training.batch_norm, training.spread, training.drop_last) == (True, None, True)
    policy = arguments["policy"]
    assert (policy.frame.scale, policy.flip, tuple(policy.photometric)) == ((0.2, 1.0), 0.5, ())


def test_grid_tuning(monkeypatch, scenes):
    _, arguments = asked(
        monkeypatch, grid_room, evaluate_linear_grid, scenes, grid=[Recipe(0.01, 4, 0.0)] * 2
    )
    training = arguments["training"]
    assert (training.epochs, tuple(training.milestones)) == (20, (10, 15))


def test_the_tuning_split_takes_70_percent(scenes):
    tried, scored = tuning_split(scenes, 0)
    assert (len(tried), len(scored)) == (14, 6)


def test_moco_training(monkeypatch, scenes):
    (recipe,), arguments = asked(monkeypatch, moco_room, evaluate_moco_linear, scenes)
    assert tuple(recipe) == (30.0, 256, 0.0)
    training = arguments["training"]
    assert (training.epochs, tuple(training.milestones)) == (100, (60, 80))
    assert (training.batch_norm, training.spread) == (False, 0.01)
    policy = arguments["policy"]
    assert (policy.frame.scale, policy.flip, tuple(policy.photometric)) == ((0.08, 1.0), 0.5, ())


def test_heads_step_as_sgd_with_momentum_does():
    torch.manual_seed(0)
    weight, bias = torch.randn(3, 5), torch.randn(3)
    heads = LinearHeads(weight, bias, [Recipe(0.1, 4, 1e-2)], batch_norm=False)
    layer = torch.nn.Linear(5, 3)
    layer.weight.data.copy_(weight)
    layer.bias.data.copy_(bias)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9, weight_decay=1e-2)
    for _ in range(4):
        features, labels = torch.randn(4, 5), torch.randint(3, (4,))
        heads.step(features, labels)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layer(features), labels).backward()
        optimizer.step()
    torch.testing.assert_close(heads.weight[0], layer.weight.detach())


def test_rates_of_heads_fall_tenfold(monkeypatch, scenes):
    scales = []
    monkeypatch.setattr(
        heads_room.LinearHeads, "step", lambda self, x, y, *, scale: scales.append(scale)
    )
    train_heads(
        Backbone("test_resnet"),
        scenes,
        [Recipe(0.01, 20, 0.0)],
        num_classes=2,
        training=Training(3, (1, 2)),
        policy=view_policy("islam_weak", 32),
    )
    assert scales == pytest.approx([1.0, 0.1, 0.01])


def test_readout():
    # Ericsson et al. (2021): 45 from 1e-6 to 1e5, evenly in the logarithm; a fifth validates.
    expected = torch.logspace(-6, 5, 45, dtype=torch.float64).tolist()
    assert pytest.approx(expected) == PENALTIES
    assert _VALIDATED_ON == 0.2


def tuner(**options):
    settings = {"learning_rate": 0.01, "weight_decay": 1e-4, "epochs": 50, "last_stages": None}
    return FineTuner(Backbone("test_resnet"), 3, on_epoch=lambda: None, **(settings | options))


def test_fine_tuning():
    module = tuner()
    parts = module.configure_optimizers()
    (group,) = parts["optimizer"].param_groups
    assert (group["momentum"], group["lr"], group["weight_decay"]) == (0.9, 0.01, 1e-4)
    assert group["nesterov"] is False
    schedule = parts["lr_scheduler"]["scheduler"]
    assert (sorted(schedule.milestones), schedule.gamma) == ([25, 37], 0.1)
    norm, linear = module.head
    assert isinstance(norm, torch.nn.BatchNorm1d)
    assert norm.affine
    assert linear.out_features == 3
    tuning = tuner(epochs=20).configure_optimizers()["lr_scheduler"]["scheduler"]
    assert sorted(tuning.milestones) == [10, 15]


def test_fine_tuning_views(monkeypatch, scenes):
    names = []

    def record(name, *arguments, **options):
        names.append(name)
        raise Seen

    room = importlib.import_module("instdisc.transfer.finetuning.finetune")
    monkeypatch.setattr(room, "view_policy", record)
    with pytest.raises(Seen):
        finetune(
            *(Backbone("test_resnet"), scenes, scenes),
            grid=[Recipe(0.01, 4, 0.0)],
            image_size=32,
            accelerator="cpu",
        )
    assert names == ["islam_weak"]
    assert default(finetune, "test_every") == 5


def test_episodes():
    assert tuple(ISLAM_EPISODES) == (5, (1, 5, 20, 50), 15, 600)
    assert tuple(BSCD_FSL_EPISODES) == (5, (5, 20, 50), 15, 600)
    for function in (evaluate_few_shot, draw_episodes, finetune_few_shot):
        numbers = [default(function, name) for name in ("ways", "queries", "episodes")]
        assert numbers == [5, 15, 600]
    assert default(draw_episodes, "shots") == 5
    assert default(finetune_few_shot, "shots") == (5,)


def test_episode_classifier():
    assert default(evaluate_few_shot, "classifier") == "logistic"
    assert default(evaluate_few_shot, "strength") == 1.0  # scikit-learn's C
    assert default(evaluate_few_shot, "normalize") is True


def test_episode_trainings():
    # epochs, batch, rates of head and backbone, momentum, dampening, weight decay
    assert tuple(BSCD_FSL_RECIPE) == (100, 4, 0.01, 0.01, 0.9, 0.9, 1e-3)
    assert tuple(ISLAM_RECIPE) == (100, 12, 1.0, 1.0, 0.9, 0.0, 0.0)


def test_neighbours():
    assert (default(evaluate_knn, "k"), default(evaluate_knn, "temperature")) == (20, 0.07)
    assert default(KNNAccuracy.__init__, "temperature") == 0.07


def test_calibration_has_15_bins():
    assert default(calibration_error, "num_bins") == 15
