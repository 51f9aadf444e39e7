"""What the modules that train have in common where a run begins, is kept and goes on.

They share no class; each has a ``position``, ``settings``, ``rates``, ``draws`` and a ``history``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def begin_course(module: Any) -> None:
    """For ``on_train_start``: there Lightning has loaded the data and put all states back."""
    module.position.begin(module)  # the first: the others look at it
    module.settings.free["gradient_clip"] = module.trainer.gradient_clip_val
    module.settings.begin(module)
    module.rates.begin(module)
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
