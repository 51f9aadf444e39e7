"""Checkpoints of a run, each written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins import TorchCheckpointIO

from instdisc.distributed import from_first
from instdisc.writing import write_atomically


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints so that none is ever half there; for ``Trainer(plugins=...)``.

    Lightning's own writes to the system's temporary folder and moves from there: where that is
    another disk, a run that is killed leaves half a checkpoint, and where it is not, a temporary
    file with a meaningless name. This writes beside the checkpoint (`write_atomically`), waits for
    the disk, and removes what killed runs left. It also needs no second copy of the checkpoint in
    memory. Addresses of other file systems (``s3://``) are left to Lightning.

    Example:
        >>> from pytorch_lightning import Trainer
        >>> trainer = Trainer(plugins=WholeCheckpointIO(), accelerator="cpu", logger=False)
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        write_atomically(path, lambda file: torch.save(checkpoint, file))

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # Of several processes, each with its own view of the folder, the first decides.
        return super().load_checkpoint(from_first(lambda: path), *args, **kwargs)
