"""Where a run stands, in images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytorch_lightning import LightningModule

from .gradients import read_gradients, set_gradients
from .overriding import refuse_override
from .plan import Pace, Plan, count_steps, count_steps_left, read_pace
from .progress import Progress, read_progress, set_progress
from .requeue import requeue_between_steps

_KEY = "instdisc_position"


class RunPosition:
    """How far a run is; it goes along in the checkpoints of the module that owns it.

    Resumed with another batch size, number of processes, accumulation or number of epochs, a run
    goes on with the images of its epoch that were not handed out yet, and its schedule at the
    share of the images that were seen. The number of workers and the precision change nothing.

    A checkpoint in the middle of a step that accumulates holds the gradient of the batches so
    far, and a run of the same pace goes on with the next. Where the pace has changed, their images
    are handed out again; what they left in running statistics of batch norm and in queues stays.

    A loader that is not ours begins its epoch anew, so images come again and others not at all,
    as ever with Lightning; the number of steps is right. It counts by its ``batch_size``; without
    one, steps stand for images.

    Attributes:
        num_steps: optimiser steps of the whole run as it is now configured, those of before a
            resume counted as if they had been; infinite before `begin` and for a run without end.
        changes: what a resume changed of the images of a step and of the run, for the line that
            `RunSettings` says.
    """

    def __init__(self) -> None:
        self.num_steps: float = math.inf
        self.changes: list[str] = []
        self._loaded: dict[str, Any] | None = None
        self._plan: Plan | None = None
        self._start = Progress(0, 0, False, False)  # where the plan begins
        self._changed = False  # whether steps before had other images

    def begin(self, module: LightningModule) -> None:
        """Takes up the run; for ``on_train_start``, when Lightning has loaded the data.

        Raises:
            TypeError: if a class of the user's kept `load` from being called.
        """
        trainer: Any = module.trainer
        requeue_between_steps(trainer)
        pace, before, plan = read_pace(trainer), self._loaded, self._plan
        self.num_steps = count_steps(trainer, pace)
        self._loaded, self.changes = None, []
        if trainer.fit_loop.is_resuming and (before is not None or trainer.ckpt_path is not None):
            if before is None:
                refuse_override(module, "on_load_checkpoint")
            self._resume(module, pace, before)
            return
        if not trainer.global_step or plan is None:
            plan = Plan(trainer.global_step, 0, 0, pace.epoch_batches, 0, pace)
            self._changed = False
        self._start = Progress(trainer.current_epoch, 0, False, False)
        self._plan = Plan(
            trainer.global_step,
            int(plan.images_at(trainer.global_step)),
            0,
            pace.epoch_batches,
            count_steps_left(trainer, pace, trainer.current_epoch, pace.epoch_batches),
            pace,
        )

    def step(self, done: int) -> float:
        """The step of `num_steps` at which a schedule is read.

        Args:
            done: optimiser steps that were taken (Lightning's ``global_step``).

        Returns:
            `done` itself unless a resume changed the images of a step or of the run; else the
            share of the images that were seen, times `num_steps`.
        """
        plan = self._plan
        if plan is None or not self._changed or self.num_steps == math.inf:
            return done
        total = plan.images_at(plan.steps + plan.steps_left)
        return min(plan.images_at(done) / total, 1.0) * self.num_steps

    def describe(self) -> str:
        """Where the run stands, after `begin`: images seen, the share of the run, steps to come."""
        if self._plan is None or self._plan.steps_left == math.inf:
            return ""
        plan = self._plan
        share = plan.images / max(1, plan.images_at(plan.steps + plan.steps_left))
        return f"{plan.images} images, {share:.1%} of the run, {plan.steps_left} steps to come"

    @property
    def within_epoch(self) -> bool:
        """Whether the run began, or went on, in the midst of an epoch."""
        plan = self._plan
        return plan is not None and plan.epoch_images > 0 and plan.batches_left > 0

    def save(self, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Puts itself into a checkpoint; for ``on_save_checkpoint``."""
        if self._loaded is not None:  # not begun yet
            checkpoint[_KEY] = self._loaded[_KEY]
            return
        if self._plan is None:
            return
        plan, pace = self._plan, self._plan.pace
        progress = read_progress(
            checkpoint["loops"]["fit_loop"],
            pace.window // pace.batch,
            automatic=module.automatic_optimization,
        )
        batches, images = progress.batches, 0
        if progress.epoch == self._start.epoch:
            batches, images = batches - self._start.batches, plan.epoch_images
        checkpoint[_KEY] = {
            "images": int(plan.images_at(checkpoint["global_step"])),
            "epoch_images": int(min(images + batches * pace.batch, pace.epoch_images)),
            "pace": tuple(pace),
            "changed": self._changed,
            "whole": plan.images_at(plan.steps + plan.steps_left),
            "gradients": read_gradients(module) if progress.open else {},
        }

    def load(self, checkpoint: Mapping[str, Any]) -> None:
        """Becomes that of a checkpoint, if it has one; for ``on_load_checkpoint``."""
        self._plan, self._changed = None, False
        self._loaded = (
            {
                _KEY: checkpoint.get(_KEY),
                "loops": checkpoint["loops"]["fit_loop"],
            }
            if "loops" in checkpoint
            else None
        )

    def _resume(self, module: LightningModule, pace: Pace, before: dict[str, Any]) -> None:
        trainer: Any = module.trainer
        saved = before[_KEY]
        earlier = pace if saved is None else Pace(*saved["pace"])
        progress = read_progress(
            before["loops"],
            earlier.window // earlier.batch,
            automatic=module.automatic_optimization,
        )
        seen = epoch_images = progress.batches * earlier.batch
        if saved is not None:
            seen, epoch_images = saved["images"], saved["epoch_images"]
        elif progress.epoch:  # of a release that did not count
            seen += progress.epoch * int(min(pace.epoch_batches * pace.batch, pace.epoch_images))
        left = 0 if progress.complete else pace.batches_left(epoch_images)
        start = _in_batches_of(pace, progress, left, same=earlier == pace)
        if start.open and saved is not None and saved["gradients"]:
            set_gradients(module, saved["gradients"])
        elif start.open:
            start = start._replace(open=0, validated=True)
        _go_to(trainer, start, epoch_images + start.open * pace.batch)
        set_progress(module, start, left - start.open)
        self._start = start
        steps_left = count_steps_left(trainer, pace, progress.epoch, left)
        self._plan = Plan(trainer.global_step, seen, epoch_images, left, steps_left, pace)
        self._changed = seen > 0 and pace[:4] != earlier[:4]
        if saved is not None:
            self._changed |= saved["changed"]
            self.changes = _changes(self._plan, earlier, saved["whole"])


def _in_batches_of(pace: Pace, progress: Progress, left: float, *, same: bool) -> Progress:
    """A position in the batches of a pace."""
    if same or left == math.inf:
        return progress
    if not left and (progress.batches or progress.complete):
        return progress._replace(batches=int(pace.epoch_batches), complete=True, open=0)
    batches = int(pace.epoch_batches - left)
    accumulate = pace.window // pace.batch
    # Gradients are accumulated from here on: the windows begin here. A validation that was due in
    # other batches is not in these.
    return progress._replace(batches=batches - batches % accumulate, validated=True, open=0)


def _go_to(trainer: Any, progress: Progress, epoch_images: int) -> None:
    """Lets a loader of ours go on after so many images of the epoch."""
    for loader in trainer.fit_loop._combined_loader.flattened:
        if hasattr(loader, "images_per_epoch"):
            if progress.complete:
                loader.load_state_dict({"epoch": progress.epoch + 1, "images": 0})
            else:
                loader.load_state_dict({"epoch": progress.epoch, "images": epoch_images})


def _changes(plan: Plan, before: Pace, total: float) -> list[str]:
    now = plan.images_at(plan.steps + plan.steps_left)
    changes = []
    if plan.pace.window != before.window:
        changes.append(f"images of a step {before.window} -> {plan.pace.window}")
    if now != total:
        changes.append(f"images of the run {total} -> {now}")
    return changes
