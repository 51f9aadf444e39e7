"""The parameter groups of an optimiser, as they were configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

# How an optimiser computes, and what on; not what.
_FORM = {"params", "param_names", "fused", "foreach", "capturable", "differentiable"}
_RATES = {"lr", "initial_lr"}

Settings = list[dict[str, Any]]  # of each group


class OptimizerGroups:
    """What the groups of an optimiser were configured with, to hold against a checkpoint's.

    Args:
        optimizer: as it is now; its scheduler has been made.

    Attributes:
        settings: of each group, by name: weight decay, momentum and so on; ``initial_lr`` is the
            base rate.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], 0.1, momentum=0.9)
        >>> settings = OptimizerGroups(optimizer).settings[0]
        >>> settings["initial_lr"], settings["momentum"]
        (0.1, 0.9)
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.settings = _settings(optimizer.param_groups)

    @staticmethod
    def of_state(state: Mapping[str, Any]) -> Settings:
        """Those of an optimiser's state dict."""
        return _settings(state["param_groups"])

    def put_in_force(self, trainer: Any, before: Settings | None) -> None:
        """Gives the groups what was configured otherwise than in the run before.

        Groups that a callback added later follow where they had the first group's value; their
        rates are the callback's.

        Args:
            trainer: has the schedulers; a `LambdaLR` is read anew at its step, and of others the
                rate of now changes as the base rate did.
            before: the settings of the checkpoint, if there is one.
        """
        groups = self.optimizer.param_groups
        if before:
            for group in groups[len(self.settings) :]:
                follows = [k for k in self.settings[0] if group.get(k, k) == before[0].get(k)]
                group.update({k: self.settings[0][k] for k in follows if k not in _RATES})
        factors = [1.0] * len(self.settings)
        for number, (now, then) in enumerate(zip(self.settings, before or (), strict=False)):
            changed = {k: v for k, v in now.items() if k not in then or then[k] != v}
            if "initial_lr" in changed:
                factors[number] = now["initial_lr"] / then["initial_lr"]
            groups[number].update({k: v for k, v in changed.items() if k in groups[number]})
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        mine = [s for s in schedulers if getattr(s, "optimizer", None) is self.optimizer]
        for scheduler in mine:
            for number, factor in enumerate(factors):
                if factor != 1 and number < len(scheduler.base_lrs):
                    scheduler.base_lrs[number] = self.settings[number]["initial_lr"]
        if len(mine) == 1 and isinstance(mine[0], LambdaLR):
            _read(mine[0])
        else:
            for group, factor in zip(groups, factors, strict=False):
                group["lr"] *= factor


class RateSchedule(LambdaLR):
    """A schedule for the groups that an optimiser began with.

    A callback may add groups, as Lightning's `BackboneFinetuning` does: their rates are its own,
    and `LambdaLR` would refuse them.
    """

    def get_lr(self) -> list[float | Tensor]:
        """The rates of the next step; those of added groups as they are."""
        added = self.optimizer.param_groups[len(self.base_lrs) :]
        return [*super().get_lr(), *(group["lr"] for group in added)]


def next_rates(trainer: Any, groups: OptimizerGroups | None) -> list[float]:
    """The rates of the next step, of the kept optimiser or else of all."""
    optimizers = trainer.optimizers if groups is None else [groups.optimizer]
    return [float(group["lr"]) for each in optimizers for group in each.param_groups]


def _settings(groups: Sequence[Mapping[str, Any]]) -> Settings:
    settings = []
    for group in groups:
        base = group.get("initial_lr", group["lr"])
        kept = {k: _plain(v) for k, v in group.items() if k not in _FORM and k not in _RATES}
        settings.append({**kept, "initial_lr": _plain(base)})
    return settings


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def _read(scheduler: LambdaLR) -> None:
    """Sets the rates to what the schedule says of the step that comes next."""
    step, factors = scheduler.last_epoch, scheduler.lr_lambdas
    rates = [base * factor(step) for base, factor in zip(scheduler.base_lrs, factors, strict=True)]
    groups = scheduler.optimizer.param_groups
    for group, rate in zip(groups, rates, strict=False):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    scheduler._last_lr = [group["lr"] for group in groups]
