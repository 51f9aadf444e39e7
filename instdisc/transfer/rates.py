"""The learning rate of a training, read where the run stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule

from instdisc.resuming import RateSchedule, RunPosition


class RunRates:
    """Multiplies the rates of an optimiser by what a rule says at a position.

    Before the run begins its length is not there, since to look at it loads the data, and a
    resumable loader then loses its place: factors are 1 until `RunSettings.begin` reads them anew.

    Args:
        position: of the run.
        rule: gets the step and the number of steps; gives the factor.
        endless: whether the rule does without the number of steps.

    Example:
        >>> rates = RunRates(RunPosition(), lambda step, num_steps: 1 - step / num_steps)
        >>> rates.factor(0)
        1.0
    """

    def __init__(
        self, position: RunPosition, rule: Callable[[float, float], float], *, endless: bool = False
    ) -> None:
        self._position, self._rule, self._endless = position, rule, endless

    def configure(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """What Lightning takes."""
        scheduler = RateSchedule(optimizer, self.factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def factor(self, done: int) -> float:
        """By what the rates are multiplied after so many steps."""
        num_steps = self._position.num_steps
        if num_steps == float("inf") and not self._endless:  # not there before the run begins
            if done > 0:
                raise TypeError(
                    "`on_train_start` must call that of its parent, without which the learning "
                    "rate stays as it is. Write super().on_train_start() in it"
                )
            return 1.0
        return self._rule(self._position.step(done), num_steps)

    def begin(self, module: LightningModule) -> None:
        """Makes sure that the run has the end that the rule needs; after the position's ``begin``.

        Schedulers that a user made instead are left alone.

        Raises:
            ValueError: if it has none.
        """
        without_end = self._position.num_steps == float("inf") and not self._endless
        schedulers = [config.scheduler for config in module.trainer.lr_scheduler_configs]
        mine = [s for s in schedulers if self.factor in getattr(s, "lr_lambdas", ())]
        for scheduler in mine:
            # A second call of one Trainer's fit goes on counting with a new schedule.
            scheduler.last_epoch = module.global_step
        if without_end and mine:
            raise ValueError(
                "a run without end has no schedule: set `max_epochs` or `max_steps` of the Trainer"
            )


def cosine(step: float, num_steps: float) -> float:
    """Half a cosine from 1 to 0, a rule for `RunRates`.

    Example:
        >>> [round(cosine(step, 4), 3) for step in range(5)]
        [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    return 0.5 * (1 + math.cos(math.pi * min(1.0, step / num_steps)))


def take_up_cosine(checkpoint: Mapping[str, Any]) -> None:
    """Lets `RunRates` go on from a checkpoint that had `CosineAnnealingLR`, as of release 0.2.0."""
    for state in checkpoint.get("lr_schedulers", []):
        if "T_max" in state:
            state.setdefault("lr_lambdas", [None] * len(state["base_lrs"]))
