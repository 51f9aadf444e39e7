"""Where Lightning's training loops stand: read from a checkpoint, and set for a run that goes on.

Written for the loops of pytorch-lightning 2.6. Resumed by itself, Lightning loses the end of an
epoch: a checkpoint of an epoch's last step, resumed twice, trains that epoch again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.loops.evaluation_loop import RestartStage as EvaluationStage
from pytorch_lightning.loops.fit_loop import RestartStage as FitStage
from pytorch_lightning.loops.training_epoch_loop import RestartStage


class Progress(NamedTuple):
    """Where a run stands in its epochs, as of its last optimiser step.

    Attributes:
        epoch: epochs that are over.
        batches: of the epoch after them, up to the last optimiser step.
        complete: whether these are all of the epoch.
        validated: whether the validation that follows the last of these and of `open` is over.
        open: batches after these, in a step that still accumulates.
    """

    epoch: int
    batches: int
    complete: bool
    validated: bool
    open: int = 0


def read_progress(loops: Mapping[str, Any], accumulate: int, *, automatic: bool) -> Progress:
    """Reads the state of a fit loop.

    Args:
        loops: what a checkpoint has under ``["loops"]["fit_loop"]``.
        accumulate: batches of an optimiser step.
        automatic: whether Lightning steps the optimiser.

    Returns:
        The position. A batch that failed does not count.
    """
    epochs = loops["epoch_progress"]["current"]
    if epochs["started"] <= epochs["processed"]:  # between two epochs
        return Progress(epochs["processed"], 0, False, False)
    progress = loops["epoch_loop.batch_progress"]
    current, ready = progress["current"], progress["current"]["ready"]
    batches = current["processed"]
    if automatic:
        optimizer = loops["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
        # The last window of an epoch may be smaller.
        batches = min(optimizer["step"]["current"]["completed"] * accumulate, ready)
    unfinished = max(0, ready - batches) if current["processed"] == ready else 0
    validation = loops["epoch_loop.val_loop.batch_progress"]
    validated = (
        current["completed"] == ready
        and validation["is_last_batch"]
        and validation["current"]["completed"] == validation["current"]["ready"]
    )
    return Progress(
        epochs["processed"],
        batches,
        complete=batches == ready and progress["is_last_batch"],
        validated=validated or batches + unfinished < ready,  # or the next batch had begun
        open=unfinished,
    )


def set_progress(module: LightningModule, progress: Progress, num_left: float) -> None:
    """Lets the loops of a Trainer go on from a position; for ``on_train_start``.

    Args:
        module: that is trained.
        progress: the position, its batches in the size of now.
        num_left: batches that are left of the epoch, after those of `progress`.
    """
    trainer: Any = module.trainer
    fit, epochs = trainer.fit_loop, trainer.fit_loop.epoch_loop
    batches = progress.batches + progress.open
    within = progress.complete or batches > 0 or num_left != fit.max_batches
    for counts in (fit.epoch_progress.total, fit.epoch_progress.current):
        counts.ready = counts.started = progress.epoch + within
        counts.processed = counts.completed = progress.epoch
    fit._restart_stage = FitStage.RESTARTED_MID_EPOCH if within else FitStage.NONE
    fit._restarting = epochs._restarting = within
    _count_batches(epochs, progress, trainer.accumulate_grad_batches)
    # As after a whole batch: `reset` of the loop then leaves the counts as they are.
    epochs._restart_stage = RestartStage.RESTARTED_ON_LAST if within else RestartStage.NONE
    validation = epochs.val_loop
    validation._restarting, validation._has_run = False, False
    validation._restart_stage = EvaluationStage.NONE
    validation.batch_progress.reset()
    if module.automatic_optimization:
        epochs._batches_that_stepped = trainer.global_step
    if not within:
        return
    fetcher = fit._data_fetcher
    if num_left != math.inf:
        fetcher.length = batches + int(num_left)
        if fetcher.length != fit.max_batches:
            _shorten(trainer, fetcher.length)
    if epochs._should_check_val_fx(fetcher):
        # The loop comes by there, and counts the step for the loggers only then.
        if module.automatic_optimization and not epochs._should_accumulate():
            epochs._batches_that_stepped -= 1
        if not progress.validated:
            validation._restart_stage = EvaluationStage.RESTARTED_MID_EVALUATION
    elif progress.complete:
        fetcher.done = True  # ends the epoch at the first look
    # Plateau schedulers of the epoch need the metrics of a validation, which are not kept.
    fit._restarting = progress.complete and progress.validated


def _count_batches(epochs: Any, progress: Progress, accumulate: int) -> None:
    batches, current = epochs.batch_progress, progress.batches + progress.open
    done = batches.total.ready - batches.current.ready + current
    for counts, number in ((batches.total, done), (batches.current, current)):
        counts.ready = counts.started = counts.processed = counts.completed = number
    batches.is_last_batch = progress.complete
    steps = -(-progress.batches // accumulate)
    optimizer = epochs.automatic_optimization.optim_progress.optimizer
    for part in (optimizer.step, epochs.scheduler_progress):
        part.total.ready = part.total.completed
        part.current.ready = part.current.completed = steps
    cleared = optimizer.zero_grad.current
    cleared.ready = cleared.started = cleared.completed = steps


def _shorten(trainer: Any, length: int) -> None:
    """Lets this epoch, and only this, have so many batches."""
    fit = trainer.fit_loop
    before = fit.max_batches, trainer.val_check_batch
    fit.max_batches = length
    if isinstance(trainer.val_check_interval, float) and trainer.val_check_batch not in (
        None,
        math.inf,
    ):
        trainer.val_check_batch = max(1, int(length * trainer.val_check_interval))
    trainer.callbacks.append(_Lengthen(*before))


class _Lengthen(Callback):
    """Gives the epochs after a shortened one their length back, and goes."""

    def __init__(self, max_batches: float, val_check_batch: float | None) -> None:
        self._before = max_batches, val_check_batch

    def on_train_epoch_end(self, trainer: Any, pl_module: LightningModule) -> None:
        trainer.fit_loop.max_batches, trainer.val_check_batch = self._before
        # A new list: the old one is being gone through.
        trainer.callbacks = [other for other in trainer.callbacks if other is not self]
