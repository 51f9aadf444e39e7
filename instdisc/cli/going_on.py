"""How a run of the command line goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from instdisc.checkpoint import newest_checkpoint
from instdisc.checkpoint.newest import remove_broken_last

_NOT_SETTINGS = ("config", "ckpt_path", "trainer.default_root_dir")
# What a run says itself as it goes on, with what that makes of its steps.
_SAID = ("devices", "accumulate_grad_batches", "precision", "max_epochs", "max_steps")
_SAID_BY_RUN = {*(f"trainer.{name}" for name in _SAID), "data.batch_size", "data.seed"}


def checkpoints_folder(root: str | Path | None) -> Path:
    """Where the default keeper puts the checkpoints of a run."""
    return Path(root or ".") / "checkpoints"


def find_start(trainer: Trainer, ckpt_path: str | None) -> str | None:
    """The checkpoint that a run goes on from.

    Args:
        trainer: of the run.
        ckpt_path: a path, which stays as it is; ``"last"`` for the newest whole one in the folders
            of the Trainer's keepers, or of those that were written for SLURM; ``None`` for a run
            that begins.

    Returns:
        For ``Trainer.fit``.

    Raises:
        ValueError: if there are checkpoints and none is whole.
    """
    if ckpt_path != "last":
        return ckpt_path
    folders = {
        Path(callback.dirpath)
        for callback in trainer.checkpoint_callbacks
        if isinstance(callback, ModelCheckpoint) and callback.dirpath
    }
    for folder in sorted(folders) or [checkpoints_folder(trainer.default_root_dir)]:
        path = newest_checkpoint(folder, root=trainer.default_root_dir)
        if path is not None:
            if trainer.is_global_zero:
                remove_broken_last(folder)
            return str(path)
    return ckpt_path  # Lightning looks where loggers write, and says if there is none


def changed_settings(written: Path, settings: Mapping[str, Any]) -> list[str]:
    """What differs from the configuration of the stopped run, but for what a run says itself.

    Args:
        written: its ``config.yaml``.
        settings: of now.

    Returns:
        ``"data.num_workers 8 -> 4"`` for each, in the order of their names; nothing if there
        is no such file.
    """
    try:
        before = dict(_flat(yaml.safe_load(written.read_text(encoding="utf-8"))))
    except (OSError, yaml.YAMLError, AttributeError, TypeError):
        return []
    now = dict(_flat(settings))
    return [
        f"{name} {_shown(before.get(name))} -> {_shown(now.get(name))}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
        and name not in _NOT_SETTINGS
        and name not in _SAID_BY_RUN
    ]


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their names on the command line."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, above if name == "init_args" else f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
