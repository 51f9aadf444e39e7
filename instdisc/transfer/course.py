"""What the modules that train have in common where a run begins, is kept and goes on.

They share no class; each has a ``position``, ``settings``, ``rates``, ``draws``, a ``history`` and
a method ``free_settings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def configure_course(module: Any, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """For the end of ``configure_optimizers``; gives what that returns."""
    configured: dict[str, Any] = module.rates.configure(optimizer)
    module.settings.keep(optimizer)
    return configured


def begin_course(module: Any) -> None:
    """For ``on_train_start``: there Lightning has loaded the data and put all states back."""
    module.position.begin(module)  # the first: the others look at it
    module.rates.begin(module)
    clip = module.trainer.gradient_clip_val
    module.settings.free = {**module.free_settings(), "gradient_clip": clip}
    module.settings.begin(module)
    module.draws.begin(module)
    module.history.begin(module)


def save_course(module: Any, checkpoint: dict[str, Any]) -> None:
    """For ``on_save_checkpoint``."""
    module.position.save(module, checkpoint)
    for part in (module.settings, module.draws, module.history):
        part.save(checkpoint)


def load_course(module: Any, checkpoint: Mapping[str, Any]) -> None:
    """For ``on_load_checkpoint``.

    Raises:
        ValueError: if the checkpoint is of a network that `module` is not.
    """
    module.settings.load(module, checkpoint)  # the first: it may refuse
    module.position.load(checkpoint)
    module.draws.load(checkpoint)
    module.history.load(module, checkpoint)
