"""What is logged, under which name and when: read back from Lightning's CSV files."""

import csv
import time

import pytest
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import CSVLogger

from instdisc.callbacks import ObjectiveMonitor, Throughput
from instdisc.data import Scenes, ViewData
from instdisc.methods import CrossEntropyMoCoModule, MoCoModule
from instdisc.models import Backbone

CONTRAST = {
    "accuracy",
    "positive_similarity",
    "negative_similarity",
    "spread",
    "queue_age",
    "queue_fill",
}


def logged(folder, module, *callbacks, every=2, count=24, max_epochs=1, **options):
    """The rows of metrics.csv, without empty cells."""
    images = Scenes(count, image_size=32)
    trainer = Trainer(
        max_epochs=max_epochs,
        callbacks=list(callbacks),
        logger=CSVLogger(folder, name="", version=""),
        log_every_n_steps=every,
        accelerator="cpu",
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    data = ViewData(images, images, image_size=16, policy="zhao_fr", batch_size=4)
    trainer.fit(module, datamodule=data)
    if not (folder / "metrics.csv").exists():
        return []
    with (folder / "metrics.csv").open() as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def moco(**options):
    return MoCoModule(
        Backbone("test_resnet"), queue_size=16, batch_norm_groups=1, temperature=0.2, **options
    )


def test_a_contrastive_objective_says_what_it_sees(tmp_path):
    rows = logged(tmp_path, moco(), ObjectiveMonitor())
    steps = [row for row in rows if "contrast/accuracy" in row]
    assert [row["step"] for row in steps] == [1, 3, 5]
    for row in steps:
        assert {f"contrast/{name}" for name in CONTRAST} <= set(row)
        assert 0 <= row["contrast/accuracy"] <= 1
        for name in ("positive_similarity", "negative_similarity"):
            assert -1 <= row[f"contrast/{name}"] <= 1
        assert 0 <= row["contrast/spread"] < 2
    # before the step's own keys are pushed: 4 keys per step into 16 places
    assert [row["contrast/queue_fill"] for row in steps] == [0.25, 0.75, 1.0]
    assert [row["contrast/queue_age"] for row in steps] == [1, 3, 4]


def test_every_objective_has_its_name(tmp_path):
    module = CrossEntropyMoCoModule(
        Backbone("test_resnet"), num_classes=10, queue_size=16, batch_norm_groups=1
    )
    rows = logged(tmp_path, module, ObjectiveMonitor())
    names = set().union(*rows)
    classifier = [name for name in names if name.endswith("/accuracy")]
    assert len(classifier) == 2
    for name in module.objectives:
        assert f"{name}/accuracy" in names


def test_under_accumulation_steps_count_and_not_batches(tmp_path):
    rows = logged(
        tmp_path, moco(), ObjectiveMonitor(), Throughput(), every=1, accumulate_grad_batches=3
    )
    assert [row["step"] for row in rows if "contrast/accuracy" in row] == [0, 1]
    assert [row["step"] for row in rows if "images_per_second" in row] == [0, 1]


class Slow(Callback):
    """Lets a batch take at least so long."""

    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        time.sleep(self.seconds)


def test_throughput_is_logged_at_the_interval(tmp_path):
    rows = logged(tmp_path, moco(), Throughput(), Slow(0.05), max_epochs=2)
    rates = {row["step"]: row["images_per_second"] for row in rows if "images_per_second" in row}
    assert list(rates) == [1, 3, 5, 7, 9, 11]
    for rate in rates.values():
        assert 1 < rate <= 4 / 0.05


def test_throughput_waits_for_the_second_batch_after_a_pause(tmp_path):
    rows = logged(tmp_path, moco(), Throughput(), every=1, count=8, max_epochs=2)
    assert [row["step"] for row in rows if "images_per_second" in row] == [1, 3]


@pytest.mark.parametrize("callback", [ObjectiveMonitor, Throughput])
def test_a_trainer_that_never_logs_is_left_alone(callback):
    class NoInterval:
        log_every_n_steps, global_step = 0, 4

    monitor = callback()
    if callback is ObjectiveMonitor:
        monitor.on_after_backward(NoInterval(), None)
    else:
        batch = ([], [1, 2])
        for index in range(2):
            monitor.on_train_batch_end(NoInterval(), None, None, batch, index)
