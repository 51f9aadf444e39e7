"""Online kNN: what the features are worth, without training anything."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from instdisc import checks
from instdisc.metrics import KNNAccuracy
from instdisc.types import Views

from .probe import DIVERGED


class OnlineKNN(Callback):
    """Logs the kNN accuracy of the backbone's features at every validation.

    The first validation loader is the bank, the second the test set; `ViewData` with
    ``test_images`` makes both. It works with two classes or a thousand, and with a bank smaller
    than k. On several processes each image counts once. Nothing is computed if there are not two
    loaders.

    ``Trainer(num_sanity_val_steps=-1)`` looks at all images before the first step. The accuracy of
    the untrained weights is then logged as ``knn_random`` beside ``knn``, as the number to beat; a
    run that is resumed keeps it.

    Args:
        k: neighbours that vote.
        temperature: of their votes.

    Raises:
        TypeError: if `k` or `temperature` is no number, or `k` not a whole one.
        ValueError: if `k` or `temperature` is not positive and finite; in validation, if a feature
            is not finite.
    """

    def __init__(self, k: int = 20, *, temperature: float = 0.07) -> None:
        checks.arguments(OnlineKNN.__init__, locals(), k=checks.whole, temperature=checks.positive)
        checks.whole("k", k, remedy="Give the number of neighbours.")
        checks.positive("temperature", temperature)
        self._metric = KNNAccuracy(k, temperature=temperature)
        self._random: float | None = None

    def state_dict(self) -> dict[str, Any]:
        return {} if self._random is None else {"random": self._random}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._random = state_dict.get("random")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._metric.to(pl_module.device).reset()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if dataloader_idx in (0, 1):
            add = self._metric.update if dataloader_idx else self._metric.add_to_bank
            features = checks.all_finite(
                "features", outputs["features"], row="image", remedy=DIVERGED
            )
            add(features, outputs["labels"], batch.indices if isinstance(batch, Views) else None)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # By what all processes know: one without images of a loader must gather, too.
        if len(trainer.num_val_batches) > 1:
            accuracy = self._metric.compute()
            # Equal on all processes already; sync_dist lets ModelCheckpoint monitor it on each.
            pl_module.log("knn", accuracy, prog_bar=True, sync_dist=True)
            if not trainer.sanity_checking:
                if self._random is not None:
                    pl_module.log("knn_random", self._random, prog_bar=True, sync_dist=True)
            elif trainer.global_step == 0 and trainer.num_sanity_val_steps == float("inf"):
                self._random = float(accuracy)
        self._metric.reset()
