"""kNN against the rows of a method's memory bank.

Legend: N images, D width of the rows, W processes.
"""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from instdisc import checks
from instdisc.distributed import rank, world_size
from instdisc.methods.objectives.memory_bank import MemoryBankObjective
from instdisc.metrics import KNNAccuracy
from instdisc.types import Views

from .probe import DIVERGED


class MemoryBankKNN(Callback):
    """Logs the kNN accuracy of projected test images against the memory bank, as ``knn_bank``.

    The rows are those of the training, averages over views of each training image, and so nothing
    but the test images passes the network. Rows of images that have not been seen yet, or have no
    class, do not vote; before the first step nothing is logged.

    The last validation loader is the test set, as of `ViewData`.

    Args:
        k: neighbours that vote.
        temperature: of their votes; ``None``: that of the loss.

    Raises:
        TypeError: if `k` or `temperature` is no number, or `k` not a whole one.
        ValueError: if `k` or `temperature` is not positive and finite; when a run starts, if the
            method has no memory bank; in validation, if a feature is not finite.

    Source:
        Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"
        (2018), section 3.4: k = 200, votes exp(cos / T) with the T of the loss.

    Example:
        >>> MemoryBankKNN().k
        200
    """

    def __init__(self, k: int = 200, *, temperature: float | None = None) -> None:
        checks.arguments(
            MemoryBankKNN.__init__, locals(), k=checks.whole, temperature=checks.positive
        )
        self.k = k
        self.temperature = temperature
        self._metric = KNNAccuracy(k)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if bank_term(pl_module) is None:
            raise ValueError(
                f"MemoryBankKNN needs a method with a memory bank, as InstDiscModule, got "
                f"{type(pl_module).__name__}. Use OnlineKNN, which takes the training images."
            )

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        term = _term_of(pl_module)
        metric = KNNAccuracy(self.k, temperature=self.temperature or term.temperature)
        self._metric = metric.to(pl_module.device)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if trainer.sanity_checking or dataloader_idx != len(trainer.num_val_batches) - 1:
            return
        features = _term_of(pl_module).projector(outputs["features"])
        features = checks.all_finite("features", features, row="image", remedy=DIVERGED)
        indices = batch.indices if isinstance(batch, Views) else None
        self._metric.update(features, outputs["labels"], indices)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        memory_bank = _term_of(pl_module).memory_bank
        if not int(memory_bank.updates):
            return
        rows, labels = memory_bank.bank()
        share = slice(rank(), None, world_size())  # the processes put theirs together
        self._metric.add_to_bank(rows[share].to(pl_module.device), labels[share])
        # Equal on all processes already; sync_dist lets ModelCheckpoint monitor it on each.
        pl_module.log("knn_bank", self._metric.compute(), prog_bar=True, sync_dist=True)


def bank_term(module: LightningModule) -> MemoryBankObjective | None:
    """The first term of a method's loss that has a memory bank; ``None`` if it has none.

    Args:
        module: a `PretrainModule`, or any other.
    """
    objectives: Any = getattr(module, "objectives", None) or {}
    return next(
        (term for term in objectives.values() if isinstance(term, MemoryBankObjective)), None
    )


def _term_of(module: LightningModule) -> MemoryBankObjective:
    term = bank_term(module)
    assert term is not None  # since `setup`
    return term
