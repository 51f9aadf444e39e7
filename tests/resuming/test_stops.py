"""A run that is killed up to three times ends as the run that was not, wherever it is killed."""

import itertools
import random

import pytest

import instdisc

from .battery import Stop, assert_same, train, train_with_stops

pytestmark = pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero")

STEPS = 4  # of an epoch: 18 images in batches of 4, two are left out
EPOCHS = 3


def make(validates=True, **options):
    data = instdisc.ViewData(
        instdisc.Scenes(18, image_size=32),
        instdisc.Scenes(6, image_size=32, split="test") if validates else None,
        image_size=16,
        batch_size=4,
        seed=3,
    )
    module = instdisc.ExemplarModule("test_resnet", queue_size=16, batch_norm="plain")
    return module, data, {"max_epochs": EPOCHS, **options}


KINDS = {
    "no validation": {"validates": False},
    "validation of each epoch": {},
    "validation of each third epoch": {"check_val_every_n_epoch": 3},
    "validation of each half": {"val_check_interval": 0.5},
    "validation after each step": {"val_check_interval": 1},
    "validation of every 3 steps": {"val_check_interval": 3, "check_val_every_n_epoch": None},
    "steps": {"max_steps": 10},
    "limited epochs": {"limit_train_batches": 3, "limit_val_batches": 1},
    "two batches a step": {"accumulate_grad_batches": 2},
    "three batches a step": {"accumulate_grad_batches": 3, "val_check_interval": 2},
}
HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_train_batch_end",
    "on_train_epoch_end",
    "on_train_epoch_start",
)
VALIDATION_HOOKS = ("on_validation_start", "on_validation_batch_end", "on_validation_end")


def patterns(kind, count, num_steps, seed=0):
    """Patterns of stops, drawn; those on the last step of an epoch come first."""
    generator = random.Random(f"{kind} {seed}")
    hooks = HOOKS + (VALIDATION_HOOKS if kind != "no validation" else ())
    fixed = [
        [Stop(STEPS)],
        [Stop(STEPS + 1), Stop(2 * STEPS)],
        [Stop(STEPS, "on_train_epoch_end"), Stop(STEPS + 1), Stop(2 * STEPS + 1)],
        [Stop(STEPS, "on_train_epoch_start"), Stop(STEPS, "on_train_batch_start")],
    ]
    for _ in range(count):
        steps = sorted(generator.choices(range(1, num_steps + 1), k=generator.randint(1, 3)))
        fixed.append([Stop(step, generator.choice(hooks)) for step in steps])
    return fixed


def check(tmp_path, kind, every, stops):
    expected = train(lambda: make(**KINDS[kind]), tmp_path / "whole", every=every)
    for number, pattern in enumerate(stops):
        folder = tmp_path / str(number)
        found = train_with_stops(lambda: make(**KINDS[kind]), folder, pattern, every=every)
        try:
            assert_same(found, expected)
        except AssertionError as error:
            raise AssertionError(f"{kind}, checkpoints every {every}, {pattern}") from error


SLOW = {"validation after each step", "validation of each half", "three batches a step"}


@pytest.mark.parametrize(
    ("kind", "every"),
    [
        pytest.param(kind, every, marks=[pytest.mark.slow] if kind in SLOW else [])
        for kind, every in zip(KINDS, itertools.cycle([None, 1, 2, 3]))
    ],
)
def test_stopped_runs_end_as_the_whole_one(tmp_path, kind, every):
    check(tmp_path, kind, every, patterns(kind, 0, 0)[1:3])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "every"), list(zip(KINDS, itertools.cycle([1, 2, None, 4]))))
def test_runs_stopped_anywhere_end_as_the_whole_one(tmp_path, kind, every):
    fixed = patterns(kind, 3, EPOCHS * STEPS)
    check(tmp_path, kind, every, fixed[3:])
