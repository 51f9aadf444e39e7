"""What a run was made with, and what its resumes changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from pytorch_lightning import LightningModule


class Change(NamedTuple):
    """A setting that a resume changed."""

    step: int  # optimiser steps that were done
    name: str
    before: Any
    after: Any


class RunSettings:
    """The settings of a run through all its resumes; it goes along in the checkpoints.

    Args:
        free: settings by name that a resume may change, with their values of now (JSON values).
        fixed: those that it may not.

    Attributes:
        changes: of all resumes so far, in their order.
    """

    def __init__(self, free: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
        self.free, self.fixed = dict(free), dict(fixed)
        self.changes: list[Change] = []

    def keep(self, optimizer: torch.optim.Optimizer) -> None:
        """Notes how an optimiser was configured; for the end of ``configure_optimizers``."""

    def begin(self, module: LightningModule) -> None:
        """Lets what is configured now hold for the rest of the run, and says what changed.

        For ``on_train_start``: by then Lightning has put back the optimiser's groups as they were.
        """

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Puts itself into a checkpoint; for ``on_save_checkpoint``."""

    def load(self, module: LightningModule, checkpoint: Mapping[str, Any]) -> None:
        """Takes the changes from a checkpoint; for ``on_load_checkpoint``.

        Raises:
            ValueError: if a fixed setting differs; names both values.
        """
