"""The newest checkpoint of a run, there whenever the run is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins import TorchCheckpointIO

from instdisc import checks
from instdisc.checkpoint.newest import requeued_checkpoints
from instdisc.checkpoint.saving import WholeCheckpointIO
from instdisc.writing import link_atomically, remove_leftovers


class NewestCheckpoint(ModelCheckpoint):
    """Keeps the newest checkpoint, and ``last.ckpt`` as a link to it.

    Lightning's ``ModelCheckpoint(save_last="link")`` removes the old file before ``last.ckpt``
    points to the new one, removes that link before it sets it again, and forgets files that it was
    killed before removing. Here a new file is written completely (`WholeCheckpointIO`), then
    ``last.ckpt`` is switched to it in one operation, then the old file goes: whenever the run is
    killed, ``last.ckpt`` is whole. Where a training ends, at its last epoch or by an early stop,
    its last step is kept too, whatever the interval. The next run removes what a killed one left:
    old checkpoints that this callback wrote, and files that were not finished.

    Only files that this callback wrote are removed, that from which the run went on included, also
    where Lightning wrote it for SLURM (``hpc_ckpt_1.ckpt`` in the Trainer's ``default_root_dir``);
    those of other callbacks in the same folder stay.

    Args:
        dirpath: the folder; ``None``: that of the Trainer's logger, as of a `ModelCheckpoint`.
        every_n_epochs: how often; 1 if neither this nor the next is set.
        every_n_train_steps: how often, in optimiser steps.

    Raises:
        TypeError, ValueError: if `dirpath` is no path, a number no whole number of at least 1, or
            both numbers are set.

    Example:
        >>> NewestCheckpoint("runs/moco/checkpoints", every_n_train_steps=500).every_n_epochs
        0
    """

    def __init__(
        self,
        dirpath: str | Path | None = None,
        *,
        every_n_epochs: int | None = None,
        every_n_train_steps: int | None = None,
    ) -> None:
        if dirpath is not None:
            checks.instance("dirpath", dirpath, (str, Path), "the path of a folder")
        for name, value in (
            ("every_n_epochs", every_n_epochs),
            ("every_n_train_steps", every_n_train_steps),
        ):
            if value is not None:
                checks.whole(name, value)
        if every_n_epochs is not None and every_n_train_steps is not None:
            checks.refuse(
                "every_n_epochs",
                "left out where `every_n_train_steps` is set",
                every_n_epochs,
                "Give one of the two.",
            )
        super().__init__(
            dirpath,
            save_top_k=-1,  # what goes is decided here, after the link
            every_n_epochs=every_n_epochs,
            every_n_train_steps=every_n_train_steps,
        )
        self._written: list[str] = []  # names of files, the newest last
        self._linked = ""  # the path that the link points to
        self._kept_step = 0  # when that was
        self._requeued = ""  # the name of what SLURM's run went on from

    @property
    def state_key(self) -> str:
        # The same whatever the interval, which may change from one run to the next.
        return type(self).__qualname__

    def state_dict(self) -> dict[str, Any]:
        # While a checkpoint is written, Lightning has set its path already.
        newest = Path(self.best_model_path).name
        return {"written": [*self._without(newest), newest] if newest else self._written}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # By their names alone: the folder of the run may have been moved.
        self._written = list(state_dict["written"])

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if stage == "fit":
            save_atomically(trainer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_fit_start(trainer, pl_module)
        # Also of a run that had ended, which no training follows.
        start = None if trainer.ckpt_path is None else Path(trainer.ckpt_path).resolve()
        if start in [path.resolve() for path in requeued_checkpoints(trainer.default_root_dir)]:
            self._requeued = start.name
        elif start is None or start.parent != self._folder.resolve():
            self._written = []  # in another folder
        elif start.name in self._written:
            self.best_model_path = str(self._folder / start.name)
            self._keep_newest(trainer)
        if trainer.is_global_zero:
            remove_leftovers(self._folder)
            if requeued_checkpoints(trainer.default_root_dir):
                remove_leftovers(Path(trainer.default_root_dir))

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        super().on_train_batch_end(trainer, *args, **kwargs)
        self._keep_newest(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        self._keep_newest(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_end(trainer, pl_module)
        self._keep_newest(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        step = trainer.global_step
        trial = trainer.fast_dev_run  # type: ignore[attr-defined]
        if trial or not step or step == self._kept_step:
            return
        place = {"epoch": torch.tensor(trainer.current_epoch), "step": torch.tensor(step)}
        self.best_model_path = self.format_checkpoint_name(place)
        trainer.save_checkpoint(self.best_model_path)
        self._keep_newest(trainer)

    def _keep_newest(self, trainer: Trainer) -> None:
        """Links a checkpoint that is there since now, then removes those before it."""
        if self.best_model_path == self._linked:
            return
        self._linked, self._kept_step = self.best_model_path, trainer.global_step
        newest = Path(self.best_model_path).name
        link = self._folder / f"{self.CHECKPOINT_NAME_LAST}{self.FILE_EXTENSION}"
        if trainer.is_global_zero:
            link_atomically(self._folder / newest, link)
        self.last_model_path = str(link)
        trainer.strategy.barrier()
        for name in self._without(newest):
            trainer.strategy.remove_checkpoint(self._folder / name)
        self._written = [newest]
        if self._requeued:
            for path in requeued_checkpoints(trainer.default_root_dir, self._requeued):
                trainer.strategy.remove_checkpoint(path)
            self._requeued = ""

    def _without(self, newest: str) -> list[str]:
        return [name for name in self._written if name != newest]

    @property
    def _folder(self) -> Path:
        assert self.dirpath is not None  # since `setup`
        return Path(self.dirpath)


def save_atomically(trainer: Trainer) -> None:
    """Makes a Trainer write checkpoints by `WholeCheckpointIO`, unless it has another plugin.

    Args:
        trainer: whose strategy may write sharded checkpoints: those are left to it.
    """
    if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = WholeCheckpointIO()
