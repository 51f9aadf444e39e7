"""Runs that are stopped and go on, against the run that was not: for every module that trains.

A test gives a function ``make()`` that returns a module, a data module and arguments of the
Trainer, the same on every call: ``MADE = (module, data, options)``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint


class Stopped(Exception):
    pass


class Stop(NamedTuple):
    """Where a run is killed: in a hook of a callback, before the keeper writes its checkpoint."""

    step: int
    hook: str = "on_train_batch_end"


class Killer(pl.Callback):
    def __init__(self, stop: Stop | None) -> None:
        if stop is not None:
            setattr(self, stop.hook, lambda trainer, *rest: self._kill(trainer, stop))

    def _kill(self, trainer: pl.Trainer, stop: Stop) -> None:
        if trainer.global_step == stop.step and not trainer.sanity_checking:
            raise Stopped


class History(pl.Callback):
    """What happened to the weights of now: it goes along in the checkpoints, as they do."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        rates = tuple(group["lr"] for group in trainer.optimizers[0].param_groups)
        images = tuple(batch.indices.tolist())
        self.events.append(("batch", trainer.current_epoch, batch_idx, images, rates))

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.events.append(("validation", trainer.global_step))

    def on_train_epoch_end(self, trainer, pl_module):
        self.events.append(("epoch", trainer.current_epoch, trainer.global_step))

    def images(self, epoch: int) -> list[int]:
        """All images of an epoch, in their order."""
        batches = [event for event in self.events if event[:2] == ("batch", epoch)]
        return [image for event in batches for image in event[3]]

    def state_dict(self):
        return {"events": list(self.events)}

    def load_state_dict(self, state):
        self.events = list(state["events"])


class Run(NamedTuple):
    """A run that ended or was killed."""

    module: pl.LightningModule
    trainer: pl.Trainer
    history: History
    ended: bool


def train(make, folder, *, stop=None, every=None, ckpt_path=None, callbacks=(), **options) -> Run:
    """Runs what `make` makes, until it ends or is killed.

    Args:
        make: returns module, data module and arguments of the Trainer.
        folder: for the checkpoints of the keeper.
        stop: where to kill it; `None`: nowhere.
        every: optimiser steps between two checkpoints; `None`: one after each epoch.
        ckpt_path: what to resume.
        callbacks: more of them.
        options: more arguments of the Trainer.
    """
    torch.manual_seed(0 if ckpt_path is None else 99)  # a new process has drawn other numbers
    module, data, made = make()
    history = History()
    keeper = ModelCheckpoint(
        folder, save_last="link", every_n_train_steps=every, every_n_epochs=None if every else 1
    )
    trainer = pl.Trainer(
        **{
            "accelerator": "cpu",
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "default_root_dir": folder,
            **made,
            **options,
        },
        callbacks=[Killer(stop), history, *callbacks, keeper],
    )
    ended = False
    with suppress(Stopped):
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path, weights_only=True)
        ended = True
    return Run(module, trainer, history, ended)


def train_with_stops(make, folder, stops, **options) -> Run:
    """Runs what `make` makes, killed at each of `stops` in turn and resumed from the last file."""
    path = None
    for stop in (*stops, None):
        run = train(make, folder, stop=stop, ckpt_path=path, **options)
        if run.ended:  # it does not come by the stop
            break
        last = folder / "last.ckpt"
        path = str(last) if last.exists() else None
    return run


def assert_same(found: Run, expected: Run) -> None:
    """That two runs took the same steps, validations and epochs, to the same bits."""
    assert found.trainer.global_step == expected.trainer.global_step
    assert found.history.events == expected.history.events
    states = expected.module.state_dict(), found.module.state_dict()
    assert states[0].keys() == states[1].keys()
    different = [name for name in states[0] if not torch.equal(states[0][name], states[1][name])]
    assert different == []
    optimizers = expected.trainer.optimizers[0].state, found.trainer.optimizers[0].state
    for before, after in zip(*(optimizer.values() for optimizer in optimizers), strict=True):
        for name, value in before.items():
            assert value is after[name] or torch.equal(
                torch.as_tensor(value), torch.as_tensor(after[name])
            )
