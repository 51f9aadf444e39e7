"""What the objectives say of themselves, and how fast the run is."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from instdisc.distributed import world_size


class ObjectiveMonitor(Callback):
    """Logs every objective's statistics at the Trainer's logging interval.

    Of a contrastive objective: accuracy (own key before every negative), mean similarity of
    positives and negatives, spread of the features (about 1 when they fill the sphere, 0 when
    they collapsed), age and fill of the queue. Of a classifier: training accuracy.
    """

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Before the module's own hook, which pushes the keys.
        if not _logs_at(trainer, trainer.global_step + 1):
            return
        objectives: Any = pl_module.objectives
        for name, objective in objectives.items():
            for statistic, value in objective.statistics().items():
                pl_module.log(f"{name}/{statistic}", value)


class Throughput(Callback):
    """Logs ``images_per_second`` over all processes, the pauses for validation left out.

    It counts from the second batch after each pause on, and logs at the Trainer's interval.
    """

    def __init__(self) -> None:
        self._images = 0
        self._since: float | None = None
        self._logged_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._logged_step = trainer.global_step

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restart()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restart()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self._since is None:  # the first batch after a pause pays for the start
            self._since = time.perf_counter()
            return
        self._images += len(batch[1]) * world_size()
        # Once per optimiser step, which may take several batches.
        if trainer.global_step > self._logged_step and _logs_at(trainer, trainer.global_step):
            rate = self._images / (time.perf_counter() - self._since)
            pl_module.log("images_per_second", rate, prog_bar=True, rank_zero_only=True)
            self._images, self._since = 0, time.perf_counter()
            self._logged_step = trainer.global_step

    def _restart(self) -> None:
        self._images, self._since = 0, None


def _logs_at(trainer: Trainer, step: int) -> bool:
    """Whether the Trainer logs that step, counted from 1; at an interval of 0 it never does."""
    interval: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return interval > 0 and step % interval == 0
