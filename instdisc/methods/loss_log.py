"""The losses of a run: on the device while it trains, in bar, loggers and monitors when due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from .finite import FiniteWatch


class LossLog:
    """Notes the losses of every step and tells them as they are asked for.

    Monitors such as `ModelCheckpoint` and `EarlyStopping` see the loss of a step at its end and
    the mean over the epoch so far when it ends or is validated. Bar and loggers get the loss of
    every step that Lightning's ``log_every_n_steps`` counts, and the mean at the end of an epoch,
    so that a run of fewer steps has a loss too. Nothing waits for the device but then.

    ``LightningModule.log`` in each step would do the same, and more: it keeps a value for the bar
    on the device and asks for it after every following step, whether or not there is a new one.

    Args:
        terms: names of the terms of the loss.
    """

    def __init__(self, terms: list[str]) -> None:
        names = ["loss", *(f"{term}/loss" for term in terms if len(terms) > 1)]
        self._watches = {name: FiniteWatch() for name in names}
        self._steps = 0  # optimiser steps that were done at the end of the last batch

    def begin_run(self, module: LightningModule) -> None:
        """Forgets what a run before has left; a mean that a checkpoint brought stays."""
        for watch in self._watches.values():
            watch.forget()
        self._steps = module.global_step

    def begin_epoch(self) -> None:
        """Begins new means."""
        for watch in self._watches.values():
            watch.start_anew()

    def note(self, module: LightningModule, losses: Mapping[str, Tensor]) -> None:
        """Keeps the losses of a step.

        Args:
            module: whose step it is.
            losses: scalars on the device; the total and each term.
        """
        trainer: Any = module.trainer
        step = trainer.global_step
        for name, watch in self._watches.items():
            loss = losses[name].detach()
            watch.note(loss, step)
            trainer.callback_metrics[name] = loss

    def end_step(self, module: LightningModule) -> None:
        """Tells bar and loggers, if it is time; for ``on_train_batch_end``."""
        trainer: Any = module.trainer
        interval, stepped = trainer.log_every_n_steps, trainer.global_step != self._steps
        self._steps = trainer.global_step
        number = (
            trainer.fit_loop.epoch_loop._batches_that_stepped
        )  # as Lightning counts for loggers
        if not (stepped and interval and (number + 1) % interval == 0):
            if self._watches["loss"].is_full:
                self.check(trainer)
            return
        self.check(trainer)
        losses = {name: watch.last for name, watch in self._watches.items()}
        trainer.progress_bar_metrics["loss"] = losses["loss"]
        trainer.logged_metrics.update({name: torch.tensor(x) for name, x in losses.items()})
        for logger in trainer.loggers:
            logger.log_metrics({**losses, "epoch": trainer.current_epoch}, step=number)
            logger.save()

    def begin_validation(self, module: LightningModule) -> None:
        """Shows monitors the means so far; for ``on_validation_start``, within a training."""
        trainer: Any = module.trainer
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        for name, mean in self._means(trainer).items():
            value = torch.tensor(mean, device=module.device)
            trainer.callback_metrics[name] = trainer.strategy.reduce(value, reduce_op="mean")

    def end_epoch(self, module: LightningModule) -> None:
        """Logs the means of the epoch; for ``on_train_epoch_end``."""
        trainer: Any = module.trainer
        means = self._means(trainer)
        if not trainer.barebones:
            for name, mean in means.items():
                module.log(name, mean, prog_bar=name == "loss", sync_dist=True)
        self.begin_epoch()

    def check(self, trainer: Any) -> None:
        """Waits for the device and looks at all losses since the last time.

        Raises:
            FloatingPointError: if one of them was not finite; names the first such step.
        """
        callback = trainer.checkpoint_callback
        paths = [getattr(callback, name, "") for name in ("last_model_path", "best_model_path")]
        kept = next(filter(None, paths), None)
        for watch in self._watches.values():  # the total comes first
            watch.check(kept)

    def state_dict(self) -> dict[str, list[float]]:
        """The means of an epoch that is not over."""
        return {name: [watch.total, watch.count] for name, watch in self._watches.items()}

    def load_state_dict(self, state: Mapping[str, list[float]]) -> None:
        """Goes on with the means of `state_dict`."""
        for name, (total, count) in state.items():
            if name in self._watches:
                self._watches[name].total, self._watches[name].count = total, int(count)

    def _means(self, trainer: Any) -> dict[str, float]:
        self.check(trainer)
        return {name: w.total / w.count for name, w in self._watches.items() if w.count}
