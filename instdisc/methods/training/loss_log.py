"""The losses of a run: on the device while it trains, in bar, loggers and monitors when due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from instdisc.checks import describe_infinite

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
        self._terms = {f"{term}/loss": term for term in terms if len(terms) > 1}
        self._watches = {name: FiniteWatch() for name in ("loss", *self._terms)}
        self._steps = 0  # optimiser steps that were done at the end of the last batch
        self._shown: dict[str, Any] = {}  # what monitors see
        self._images: Sequence[Tensor] = ()  # views of the step that is under way

    def begin_run(self, module: LightningModule) -> None:
        """Forgets what a run before has left; a mean that a checkpoint brought stays."""
        for watch in self._watches.values():
            watch.forget()
        self._steps = module.global_step
        # The same throughout a run; to ask the Trainer for it, Lightning goes through all that was
        # logged.
        self._shown = module.trainer.callback_metrics

    def begin_epoch(self) -> None:
        """Begins new means."""
        for watch in self._watches.values():
            watch.start_anew()

    def note(
        self,
        module: LightningModule,
        loss: Tensor,
        terms: Mapping[str, Tensor],
        images: Sequence[Tensor],
    ) -> None:
        """Keeps the losses of a step.

        Args:
            module: whose step it is.
            loss: scalar on the device, the total.
            terms: those that it is made of.
            images: V views ``(B, C, H, W)`` that it is computed from; looked at if it is not
                finite, and let go at the end of the step.
        """
        step = module.global_step
        self._images = images
        self._shown["loss"] = loss = loss.detach()
        self._watches["loss"].note(loss, step)
        for name, term in self._terms.items():
            self._shown[name] = loss = terms[term].detach()
            self._watches[name].note(loss, step)

    def end_step(self, module: LightningModule) -> None:
        """Tells bar and loggers, if it is time; for ``on_train_batch_end``."""
        trainer: Any = module.trainer
        interval, before, self._steps = (
            trainer.log_every_n_steps,
            self._steps,
            trainer.global_step,
        )
        # As Lightning counts for loggers.
        number = trainer.fit_loop.epoch_loop._batches_that_stepped
        is_due = self._steps != before and interval and (number + 1) % interval == 0
        if is_due or self._watches["loss"].is_full:
            self.check(trainer)
        self._images = ()
        if not is_due:
            return
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
        for watch in self._watches.values():  # the total comes first
            watch.check(lambda: _explain(trainer, self._images))

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


def _explain(trainer: Any, images: Sequence[Tensor]) -> str:
    """What may be the reason that a loss is not finite, and what is left of the run."""
    callback = trainer.checkpoint_callback
    paths = [getattr(callback, name, "") for name in ("last_model_path", "best_model_path")]
    kept = next(filter(None, paths), None)
    views = {f"images[{number}]": view for number, view in enumerate(images)}
    advice = describe_infinite(views) or "Lower the learning rate or use another precision"
    left = f"the last good checkpoint is {kept}" if kept else "no checkpoint was written"
    return f"{advice}; {left}"
