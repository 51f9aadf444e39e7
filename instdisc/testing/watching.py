"""What the battery of methods notes of a run, and how it tells a fault."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from instdisc.methods import PretrainModule
from instdisc.models import MomentumEncoder


def check(condition: bool, fault: str) -> None:
    """Raises an `AssertionError` that says `fault` where the condition does not hold."""
    if not condition:
        raise AssertionError(fault)


class Recorder(Callback):
    """Notes what a run does.

    Attributes:
        losses: of each batch.
        parameters: after each batch, by name.
        momenta: m of the momentum encoders after each batch, by name.
        without_gradient: names of trained parameters that some backward pass did not reach.
        statistics: of each objective after each backward pass, by its name and theirs.
    """

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.parameters: list[dict[str, Tensor]] = []
        self.momenta: list[dict[str, float]] = []
        self.without_gradient: set[str] = set()
        self.statistics: list[dict[str, Any]] = []

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Before the module's own hook, in which an objective may leave out a parameter for a while.
        for name, parameter in pl_module.named_parameters():
            if parameter.requires_grad and parameter.grad is None:
                self.without_gradient.add(name)
        objectives: Any = pl_module.objectives
        self.statistics.append(
            {
                f"{name}.{statistic}": value
                for name, objective in objectives.items()
                for statistic, value in objective.statistics().items()
            }
        )

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        self.losses.append(rest[0]["loss"].detach().clone())
        self.parameters.append(snapshot(pl_module))
        self.momenta.append({n: part.momentum for n, part in momentum_encoders(pl_module).items()})


class Calls(NamedTuple):
    """With what an objective was called, in each step.

    Attributes:
        queries: numbers of the views whose features it got.
        keys: likewise of the momentum encoder.
        keys_have_gradient: whether one of these needs a gradient.
        begun: what `begin_batch` was told, indices and share of the run.
    """

    queries: list[list[int]]
    keys: list[list[int]]
    keys_have_gradient: list[bool]
    begun: list[tuple[Tensor | None, float]]


def watch_calls(objective: Any) -> Calls:
    """Notes how an objective is called from now on.

    Args:
        objective: gets a hook and another `begin_batch`.
    """
    calls = Calls([], [], [], [])
    begin = objective.begin_batch

    def begin_batch(indices: Tensor | None, done: float) -> None:
        calls.begun.append((indices, done))
        begin(indices, done)

    def look(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        queries, keys, _ = inputs
        calls.queries.append(sorted(queries))
        calls.keys.append(sorted(keys))
        calls.keys_have_gradient.append(any(key.requires_grad for key in keys.values()))

    objective.begin_batch = begin_batch
    objective.register_forward_pre_hook(look)
    return calls


class Stopped(Exception):
    """The run dies here."""


class StopAfter(Callback):
    """Writes a checkpoint after some batches, then dies."""

    def __init__(self, batches: int, path: Path) -> None:
        self.batches = batches
        self.path = path

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        if rest[-1] + 1 == self.batches:
            trainer.save_checkpoint(self.path)
            raise Stopped


def momentum_encoders(module: nn.Module) -> dict[str, MomentumEncoder]:
    """All in a module, by name."""
    return {n: part for n, part in module.named_modules() if isinstance(part, MomentumEncoder)}


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy of each parameter by name."""
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def copied_from(name: str) -> str:
    """The name of the module, or of the parameter, that a momentum encoder's copies.

    Args:
        name: of the encoder, or of a parameter in it.

    Example:
        >>> copied_from("objectives.byol.momentum_projector.module.layers.0.weight")
        'objectives.byol.projector.layers.0.weight'
    """
    return re.sub(r"(^|\.)momentum_(\w+)(\.module)?", r"\1\2", name)


def move(module: PretrainModule, amount: float) -> None:
    """Moves the copies of momentum encoders away from what they copy, so that updates show."""
    with torch.no_grad():
        for encoder in momentum_encoders(module).values():
            for parameter in encoder.parameters():
                parameter.add_(amount * torch.randn_like(parameter))
