"""Where a run stands, in images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning import LightningModule


class RunPosition:
    """How far a run is; it goes along in the checkpoints of the module that owns it.

    Attributes:
        num_steps: optimiser steps of the whole run as it is now configured, those of before a
            resume counted as if they had been; infinite before `begin` and for a run without end.
    """

    def __init__(self) -> None:
        self.num_steps: float = float("inf")

    def begin(self, module: LightningModule) -> None:
        """Takes up the run; for ``on_train_start``, when Lightning has loaded the data."""
        self.num_steps = module.trainer.estimated_stepping_batches

    def step(self, done: int) -> float:
        """The step of `num_steps` at which a schedule is read.

        Args:
            done: optimiser steps that were taken (Lightning's ``global_step``).

        Returns:
            `done` itself unless a resume changed the images of a step or of the run; else the
            share of the images that were seen, times `num_steps`.
        """
        return done

    def save(self, module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Puts itself into a checkpoint; for ``on_save_checkpoint``."""

    def load(self, checkpoint: Mapping[str, Any]) -> None:
        """Becomes that of a checkpoint, if it has one; for ``on_load_checkpoint``."""
