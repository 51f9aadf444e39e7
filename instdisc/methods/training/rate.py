"""The learning rate of a run of ours: base rate, global batch and schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch

from instdisc.resuming import RateSchedule, refuse_override

from ..objectives import ParameterOptions
from .batch import global_batch
from .schedule import cosine_between, read_schedule

if TYPE_CHECKING:
    from .run import RunModule


class RateOfRun:
    """By what the base rate of a module is multiplied at each step.

    The length of the run and the global batch are not known when the optimiser is made: to ask for
    them would load the data before Lightning restores the position of a resumable loader, which
    would then be lost. Until `begin` the factor is 1.

    Args:
        module: has the settings of the schedule and its `position`.
    """

    def __init__(self, module: RunModule) -> None:
        self._module = module
        self._scale: float | None = None
        self._schedule: RateSchedule | None = None
        self._base = math.nan  # rate that it was made with
        self._options: list[ParameterOptions] = []  # of the groups
        self._had_final_decay = False

    def schedule(
        self, optimizer: torch.optim.Optimizer, groups: Iterable[ParameterOptions]
    ) -> RateSchedule:
        """The schedule of an optimiser, to be stepped after each of its steps.

        Args:
            optimizer: of `make_optimizer`.
            groups: the options of its groups.
        """
        self._options = list(groups)
        factors: list[Callable[[int], float]] = [
            self.factor if options.scheduled else self.constant_factor for options in self._options
        ]
        self._schedule = RateSchedule(optimizer, factors)
        self._base = self._module.learning_rate
        return self._schedule

    def begin(self) -> None:
        """Looks at the Trainer; for ``on_train_start``.

        Where another schedule was put in the place of ours it does nothing.

        Raises:
            ValueError: if the run has no end and the schedule needs one, or the rate is to be
                scaled by a global batch that the loader does not tell.
        """
        module, configs = self._module, self._module.trainer.lr_scheduler_configs
        schedule = self._schedule
        if schedule is None or not any(config.scheduler is schedule for config in configs):
            return
        self._had_final_decay = module.settings.previous("final_weight_decay") is not None
        if module.learning_rate != self._base:
            self._follow(schedule)
        endless = module.position.num_steps == math.inf
        if endless and (module.schedule != "constant" or module.warmup):
            raise ValueError(
                "a run without end has no schedule: set `max_epochs` or `max_steps` of the "
                "Trainer, or schedule='constant' and warmup=0"
            )
        if module.automatic_optimization:
            # A second call of one Trainer's fit goes on counting with a new schedule.
            schedule.last_epoch = module.global_step
        self._scale = 1.0
        if module.reference_batch is not None:
            self._scale = global_batch(module.trainer) / module.reference_batch

    def factor(self, step: int) -> float:
        """The factor after `step` optimiser steps."""
        module, num_steps = self._module, self._module.position.num_steps
        if self._scale is None:
            if step > 0:
                refuse_override(module, "on_train_start")
            return 1.0
        if num_steps == math.inf:
            return self._scale
        return self._scale * read_schedule(
            module.position.step(step),
            int(num_steps),
            schedule=module.schedule,
            warmup=module.warmup,
            milestones=module.milestones,
        )

    def constant_factor(self, step: int) -> float:
        """That of parameters whose rate does not follow the schedule."""
        return 1.0 if self._scale is None else self._scale

    def begin_step(self, done: float) -> None:
        """Sets the weight decay, if it has a schedule, or had one before a resume.

        Args:
            done: share of the run that is done.
        """
        last = self._module.final_weight_decay
        if self._schedule is None or (last is None and not self._had_final_decay):
            return
        first = self._module.weight_decay
        value = first if last is None else cosine_between(first, last, done)
        groups = self._schedule.optimizer.param_groups
        for options, group in zip(self._options, groups, strict=False):
            if options.decays:
                group["weight_decay"] = value

    def _follow(self, schedule: RateSchedule) -> None:
        """Takes the rate that Lightning's `LearningRateFinder` has set since."""
        share = self._module.learning_rate / self._base
        self._base = self._module.learning_rate
        schedule.base_lrs = [rate * share for rate in schedule.base_lrs]
        for group, rate in zip(schedule.optimizer.param_groups, schedule.base_lrs, strict=False):
            group["initial_lr"] = rate
        self._module.settings.keep(schedule.optimizer)
