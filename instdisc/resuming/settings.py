"""What a run was made with, and what its resumes changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_info

from .groups import OptimizerGroups, next_rates
from .position import RunPosition

_KEY = "run_settings"
# LARS was lightly's until release 0.1.0, and the state of timm's is the same.
_SUCCESSORS = {"LARS": "Lars"}


class Change(NamedTuple):
    """A setting that a resume changed."""

    step: int  # optimiser steps that were done
    name: str
    before: Any
    after: Any


class RunSettings:
    """The settings of a run through all its resumes; it goes along in the checkpoints.

    What is configured when a run goes on holds for the rest of it: a hyperparameter of the
    optimiser that changed since the checkpoint is put in force, in each parameter group by itself;
    what did not change stays as the checkpoint has it. A line on the first process says what
    changed, what that makes of the steps to come (by the module's ``position``, if it has one), and
    if the learning rate jumps from what it would have been.

    Args:
        free: settings by name that a resume may change, with their values of now (JSON values).
            Whoever owns this object may bring them up to date until `begin`.
        fixed: those that it may not.

    Attributes:
        changes: of all resumes so far, in their order. Beside `free` they name arguments of
            the Trainer: ``batch_size`` (of a process), ``devices`` (of all nodes),
            ``accumulate_grad_batches``, ``precision``, ``max_epochs``, ``max_steps``; and of a
            loader of ours ``data_seed`` and ``num_images`` (of an epoch).

    Example:
        >>> settings = RunSettings({"learning_rate": 0.1}, {"queue_size": 64})
        >>> checkpoint = {}
        >>> settings.save(checkpoint)
        >>> checkpoint["run_settings"]["fixed"]
        {'queue_size': 64}
    """

    def __init__(self, free: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
        self.free, self.fixed = dict(free), dict(fixed)
        self.changes: list[Change] = []
        self._groups: OptimizerGroups | None = None
        self._trainer: dict[str, Any] = {}
        self._optimizers: list[str] = []  # their classes
        self._before: dict[str, Any] | None = None  # of the checkpoint, until the run goes on

    @property
    def keeps_optimizer(self) -> bool:
        """Whether `keep` was called."""
        return self._groups is not None

    def previous(self, name: str) -> Any:
        """What a free setting was before the resume that is about to `begin`; ``None`` if none is.

        Args:
            name: of a free setting, or of an argument of the Trainer.
        """
        before = self._before or {"free": {}, "trainer": {}}
        return before["trainer"].get(name, before["free"].get(name))

    def recorded(self) -> list[dict[str, Any]]:
        """The changes as JSON values, for a recipe."""
        return [change._asdict() for change in self.changes]

    def keep(self, optimizer: torch.optim.Optimizer) -> None:
        """Notes how an optimiser was configured; for the end of ``configure_optimizers``.

        After its scheduler was made. An optimiser that is not kept is left as Lightning restores
        it.
        """
        self._groups = OptimizerGroups(optimizer)

    def check_optimizers(self, module: LightningModule) -> None:
        """Refuses an optimiser that cannot go on where another stopped; for ``on_fit_start``.

        By then the optimisers are made, and Lightning has not put back their state.

        Raises:
            ValueError: if it is of another class; names both.
        """
        if self._before is None or module.trainer.ckpt_path is None:
            return
        now, then = _classes(module.trainer), self._before.get("optimizers")
        if then and self._groups is not None:  # not of a `configure_optimizers` of the user's
            then = [_SUCCESSORS.get(name, name) for name in then]
        if then and then != now:
            raise ValueError(
                f"`configure_optimizers` must make what the run began with, {', '.join(then)}, "
                f"when it goes on from a checkpoint, got {', '.join(now)}. Return {then[0]} "
                "again, or begin a new run."
            )

    def begin(self, module: LightningModule) -> None:
        """Lets what is configured now hold for the rest of the run, and says what changed.

        For ``on_train_start``: by then Lightning has put back the optimiser's groups as they were.
        """
        self._trainer = _trainer_settings(module.trainer)
        self._optimizers = _classes(module.trainer)
        before = self._before if module.trainer.ckpt_path is not None else None
        self._before = None
        step = module.trainer.global_step
        changes: list[Change] = []
        if before is None and step == 0:  # another run, of weights that one has left
            self.changes = []
        if before is not None and step > 0:
            now = {**_json(self.free), **self._trainer}
            then = {**before["free"], **before["trainer"]}
            changes = [
                Change(step, name, then[name], value)
                for name, value in now.items()
                if name in then and then[name] != value
            ]
            self.changes += changes
        rates = next_rates(module.trainer, self._groups)
        if self._groups is not None:
            self._groups.put_in_force(module.trainer, None if before is None else before["groups"])
        if before is not None and step > 0:
            position = getattr(module, "position", None)
            _say(step, changes, rates, next_rates(module.trainer, self._groups), position)

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Puts itself into a checkpoint; for ``on_save_checkpoint``.

        Before `begin`, as a search for the learning rate saves it, the run is what it was.
        """
        checkpoint[_KEY] = self._before or {
            "free": _json(self.free),
            "fixed": _json(self.fixed),
            "trainer": self._trainer,
            "optimizers": self._optimizers,
            "groups": None if self._groups is None else self._groups.settings,
            "changes": self.recorded(),
        }

    def load(self, module: LightningModule, checkpoint: Mapping[str, Any]) -> None:
        """Takes the changes from a checkpoint; for ``on_load_checkpoint``.

        Does nothing unless a training goes on: a module that reads a checkpoint to be tested, or to
        start another training, may differ.

        Raises:
            ValueError: if a fixed setting differs; names both values.
        """
        trainer = module._trainer  # `module.trainer` raises where there is none
        if trainer is None or trainer.state.fn != TrainerFn.FITTING:
            return
        before = checkpoint.get(_KEY)
        if before is None:
            before = _of_release_0_1(module, checkpoint)
        for name, value in _json(self.fixed).items():
            then = before["fixed"].get(name, value)
            if then != value:
                raise ValueError(
                    f"`{name}` must stay what the run began with, {then!r}, when it goes on from "
                    f"a checkpoint, got {value!r}. Give {then!r} again, or begin a new run."
                )
        self.changes = [Change(**change) for change in before["changes"]]
        self._before = before


def _json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As a checkpoint and a recipe hold them: a tuple is a list there.

    What JSON cannot hold, as an object that a class of the user's takes, is left out: it cannot be
    compared with the one before.
    """
    values = {}
    for name, value in settings.items():
        with suppress(TypeError, ValueError):
            values[name] = json.loads(json.dumps(value))
    return values


def _classes(trainer: Any) -> list[str]:
    return [type(optimizer).__name__ for optimizer in trainer.optimizers]


def _trainer_settings(trainer: Any) -> dict[str, Any]:
    """What the Trainer and its data were told, under the names of its arguments."""
    loader = trainer.train_dataloader
    settings = {
        "batch_size": getattr(loader, "batch_size", None),
        "devices": trainer.world_size,
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
        "precision": str(trainer.precision),
        "max_epochs": trainer.max_epochs,
        "max_steps": trainer.max_steps,
    }
    if hasattr(loader, "images_per_epoch"):
        settings["data_seed"] = getattr(loader.dataset, "seed", None)
        settings["num_images"] = loader.images_per_epoch
    return {name: value for name, value in settings.items() if value is not None}


def _of_release_0_1(module: LightningModule, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint without settings tells of them."""
    made = checkpoint.get("instdisc") or {}
    told = {**made.get("recipe", {}), **{k: made[k] for k in ("method", "backbone") if k in made}}
    if told.get("method") == type(module).__name__:  # its own name, where now its parent's counts
        del told["method"]
    states = checkpoint.get("optimizer_states") or []
    groups = [OptimizerGroups.of_state(state) for state in states[:1]]
    return {
        "free": told,
        "fixed": told,
        "trainer": {},
        "groups": groups[0] if groups else None,
        "changes": [],
    }


def _say(
    step: int,
    changes: list[Change],
    before: list[float],
    after: list[float],
    position: RunPosition | None = None,
) -> None:
    """One line; of rates, where the next step has another than it would have had."""
    parts = [f"`{change.name}` {change.before} -> {change.after}" for change in changes]
    parts += [] if position is None else position.changes
    moved = {
        f"{old:.4g} -> {new:.4g}"
        for old, new in zip(before, after, strict=True)
        if abs(new - old) > 1e-9 * max(abs(old), abs(new))
    }
    if moved:
        parts.append(f"the learning rate of the next step {', '.join(sorted(moved))}")
    if not parts:
        return
    place = "" if position is None else position.describe()
    line = f"Goes on from step {step}{place and f' ({place})'} with {'; '.join(parts)}"
    order = {"data_seed", "num_images"} & {change.name for change in changes}
    if order and position is not None and position.within_epoch:
        line += (
            ". The order of the images is another now: in the epoch that goes on some come twice "
            "and others not at all"
        )
    rank_zero_info(line)
