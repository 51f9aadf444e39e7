"""Rank of the features and separation of the classes, while a network is trained.

Legend: N images, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from instdisc import checks
from instdisc.analysis.geometry import (
    ClassSeparation,
    ClassSpread,
    class_separation,
    intra_class_spread,
    rankme,
)
from instdisc.data.left_out import say_once
from instdisc.metrics import ImageRows
from instdisc.types import Views

from .probe import DIVERGED


class GeometryMonitor(Callback):
    """Logs ``rankme``, ``class_separation`` and ``intra_class_spread`` at validations.

    They are those of the backbone's features of the second validation loader (the test set of
    `ViewData`), or of the only one. A falling rank tells that the features collapse, long before
    the loss does; a rising separation how much of a class's variety is thrown away. It uses the
    features that the validation computes anyway, and nothing else is computed. On several
    processes each image counts once. Images of unknown class count for the rank alone.

    If all features are the same, the rank is logged as 1 and the others are not; nor are they
    where a feature is zero or all point in one direction.

    Args:
        every: at each so manieth validation; at the others nothing is kept or computed.
        max_images: at most so many images, the first of the set.

    Raises:
        TypeError: if an argument is no whole number.
        ValueError: if an argument is out of range; in validation, if a feature is not finite.

    Source:
        See `instdisc.analysis.geometry`.
    """

    def __init__(self, *, every: int = 1, max_images: int = 10_000) -> None:
        checks.arguments(
            GeometryMonitor.__init__, locals(), every=checks.whole, max_images=checks.whole
        )
        self.every = every
        self.max_images = checks.whole("max_images", max_images, at_least=4)
        # Of any width, which the first features say.
        self._rows = ImageRows(
            {"features": torch.zeros(0, 0), "labels": torch.zeros(0, dtype=torch.int64)}
        )
        self._validations = 0
        self._kept = 0

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._rows.to(pl_module.device).reset()
        self._kept = 0
        if not trainer.sanity_checking:
            self._validations += 1

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        last = min(1, len(trainer.num_val_batches) - 1)
        if not self._logs(trainer) or dataloader_idx != last:
            return
        room = -(-self.max_images // trainer.world_size) - self._kept
        if room <= 0:
            return
        features = outputs["features"][:room].float()
        checks.all_finite("features", features, row="image", remedy=DIVERGED)
        indices = batch.indices[:room] if isinstance(batch, Views) else None
        self._rows.update(indices, features=features, labels=outputs["labels"][:room])
        self._kept += len(features)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # By what all processes know: one without images must gather, too.
        if self._logs(trainer) and len(trainer.num_val_batches):
            table = self._rows.compute()
            numbers = _measure(table["features"].cpu(), table["labels"].cpu())
            for name, value in numbers.items():
                pl_module.log(name, value, sync_dist=True)
        self._rows.reset()

    def state_dict(self) -> dict[str, int]:
        return {"validations": self._validations}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self._validations = state_dict["validations"]

    def _logs(self, trainer: Trainer) -> bool:
        """Whether this validation counts; the one before the training, which checks, does not."""
        return not trainer.sanity_checking and (self._validations - 1) % self.every == 0


def _measure(features: Tensor, labels: Tensor) -> dict[str, float]:
    """The numbers that are defined: few images, collapsed features or no classes leave some out."""
    if len(features) < 4:
        say_once(
            f"GeometryMonitor: {len(features)} validation images are too few; none is looked at"
        )
        return {}
    if bool((features == features[0]).all()):
        return {"rankme": 1.0}
    numbers = {"rankme": rankme(features)}
    labelled = labels >= 0
    if int(labelled.sum()) < 4 or len(labels[labelled].unique()) < 2:
        return numbers
    for name, measure in _OF_CLASSES.items():
        try:
            numbers[name] = measure(features, labels).value
        except ValueError:
            # Zeros, or all in one direction: a network that collapses is watched, not stopped.
            say_once(f"GeometryMonitor: {name} is not logged while features have no directions")
    return numbers


_OF_CLASSES: dict[str, Callable[[Tensor, Tensor], ClassSeparation | ClassSpread]] = {
    "class_separation": class_separation,
    "intra_class_spread": intra_class_spread,
}
