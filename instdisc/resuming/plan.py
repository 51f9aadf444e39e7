"""How many images and steps a run has left, by its loader and Trainer.

Legend: B batch per process, W processes, G = B W global batch, A batches of an optimiser step.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import StochasticWeightAveraging

from instdisc.distributed import world_size


class Pace(NamedTuple):
    """How a run goes through its images; the unit is a batch where their number is not known.

    Attributes:
        batch: images of a batch of all processes, G.
        window: images of an optimiser step, A G.
        epoch_images: images of an epoch, of all processes.
        epoch_batches: batches of an epoch; infinite for data without end.
        drops_last: whether the last, smaller batch is left out.
    """

    batch: int
    window: int
    epoch_images: float
    epoch_batches: float
    drops_last: bool

    @property
    def epoch_steps(self) -> float:
        """Optimiser steps of an epoch."""
        return _ceil(self.epoch_batches / (self.window // self.batch))

    def batches_left(self, images: int) -> float:
        """Batches of an epoch after a number of its images."""
        left = max(0, self.epoch_images - images) / self.batch
        return left if left == math.inf else math.floor(left) if self.drops_last else _ceil(left)


class Plan(NamedTuple):
    """The steps of a run from one of them on.

    Attributes:
        steps: optimiser steps that were taken.
        images: that they have seen.
        epoch_images: of these, of the epoch that goes on.
        batches_left: of this epoch.
        steps_left: of the whole run.
        pace: of the run from here on.
    """

    steps: int
    images: int
    epoch_images: int
    batches_left: float
    steps_left: float
    pace: Pace

    def images_at(self, step: float) -> float:
        """Images that were seen after a number of optimiser steps."""
        pace, done = self.pace, step - self.steps
        first = self._rest()
        first_steps = _ceil(self.batches_left * pace.batch / pace.window)
        if done == math.inf:
            return math.inf
        if done < first_steps:
            return self.images + done * pace.window
        epochs, more = (
            divmod(done - first_steps, pace.epoch_steps) if done > first_steps else (0, 0)
        )
        per_epoch = min(pace.epoch_batches * pace.batch, pace.epoch_images)
        return self.images + first + epochs * per_epoch + min(more * pace.window, per_epoch)

    def _rest(self) -> float:
        """Images that are left of this epoch."""
        return min(self.batches_left * self.pace.batch, self.pace.epoch_images - self.epoch_images)


def read_pace(trainer: Trainer) -> Pace:
    """How a run with the training data of a Trainer goes through its images."""
    loop: Any = trainer.fit_loop
    loaders = loop._combined_loader.flattened
    loader = loaders[0] if len(loaders) == 1 else None
    size = getattr(loader, "batch_size", None)
    batch = size * world_size() if isinstance(size, int) and size > 0 else 1
    images = batches = trainer.num_training_batches
    if batches != math.inf:
        images = batches * batch
        if loader is not None and batches == len(loader):  # no `limit_train_batches`
            images = getattr(loader, "images_per_epoch", images)
    return Pace(
        batch,
        batch * trainer.accumulate_grad_batches,
        images,
        batches,
        getattr(loader, "drop_last", True),
    )


def count_steps_left(trainer: Trainer, pace: Pace, epochs: int, batches_left: float) -> float:
    """Optimiser steps until a run ends.

    Args:
        trainer: has ``max_epochs`` and ``max_steps``.
        pace: of the run.
        epochs: that are over.
        batches_left: of the epoch after them.
    """
    steps, max_epochs = math.inf, count_epochs(trainer)
    if max_epochs is not None:
        first = _ceil(batches_left / trainer.accumulate_grad_batches)
        later = max(0, max_epochs - epochs - 1)
        steps = first + later * pace.epoch_steps if later else first
    if trainer.max_steps != -1:
        steps = min(steps, max(0, trainer.max_steps - trainer.global_step))
    return steps


def count_steps(trainer: Trainer, pace: Pace) -> float:
    """Optimiser steps of a run from its beginning; infinite if it has no end."""
    steps, epochs = trainer.estimated_stepping_batches, count_epochs(trainer)
    return steps if epochs is None else min(steps, pace.epoch_steps * max(epochs, 1))


def count_epochs(trainer: Trainer) -> int | None:
    """Epochs of a run, ``None`` without end.

    `StochasticWeightAveraging` adds one in which nothing trains: batch norm's statistics of the
    average are taken.
    """
    epochs = trainer.max_epochs
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StochasticWeightAveraging):
            epochs = getattr(callback, "_max_epochs", epochs)
    return None if epochs == -1 else epochs


def _ceil(value: float) -> float:
    return value if value == math.inf else math.ceil(value)
