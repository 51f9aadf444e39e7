"""An online linear probe: a classifier on detached features, trained beside the backbone."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc import checks
from instdisc.distributed import average
from instdisc.metrics import ImageRows
from instdisc.types import UNKNOWN_LABEL, Views

DIVERGED = "The training diverged: lower the learning rate."


class OnlineLinearProbe(Callback):
    """Trains a linear classifier on the features of each training batch and logs its accuracy.

    The features are detached: the backbone does not notice. Each step uses the features that the
    method computed anyway. The accuracy on the second validation loader (the test set of
    `ViewData`) is logged as ``probe``, each image once on any number of processes. Images of
    unknown class (-1) are left out. The classifier and
    its optimiser are part of the checkpoint.

    Args:
        num_classes: number of classes, at least 2.
        learning_rate: of Adam.

    Raises:
        TypeError: if `num_classes` is no whole number or `learning_rate` no number.
        ValueError: if `num_classes` is below 2 or `learning_rate` is not positive and finite; in
            training, if a label is outside the classes or a feature is not finite, for which a
            GPU is asked at the first batch of an epoch, and at validations.

    Source:
        Islam et al. (2021) train such a probe with SGD at ten times the method's rate, after
        dropout. Differs from it: layer norm and Adam instead, so that one setting fits features
        of any scale and batches of any size.
    """

    def __init__(self, num_classes: int, *, learning_rate: float = 1e-3) -> None:
        checks.arguments(
            OnlineLinearProbe.__init__,
            locals(),
            learning_rate=checks.positive,
        )
        self.num_classes = checks.whole("num_classes", num_classes, at_least=2)
        self.learning_rate = learning_rate
        self._head: nn.Linear | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._restored: dict[str, Any] | None = None
        self._accuracy = ImageRows({"hits": torch.zeros(0, dtype=torch.bool)})

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        dim = int(pl_module.backbone.dim)  # type: ignore[union-attr,arg-type]
        # Zero weights need no random numbers: they agree on all processes, and the run draws the
        # same numbers with the probe as without.
        self._head = nn.utils.skip_init(nn.Linear, dim, self.num_classes, device=pl_module.device)
        nn.init.zeros_(self._head.weight)
        nn.init.zeros_(self._head.bias)
        self._optimizer = torch.optim.Adam(self._head.parameters(), self.learning_rate)
        self._accuracy.to(pl_module.device)
        if self._restored is not None:
            self._head.load_state_dict(self._restored["head"])
            self._optimizer.load_state_dict(self._restored["optimizer"])
            self._restored = None

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        assert self._head is not None
        assert self._optimizer is not None
        features, labels = outputs["features"], outputs["labels"]
        # Looking at numbers on a GPU would wait for it: there, only once per epoch.
        if labels.device.type == "cpu" or batch_idx == 0:
            self._check(features, labels)
        loss = F.cross_entropy(self._logits(features), labels, ignore_index=-1, reduction="sum")
        self._optimizer.zero_grad()
        (loss / len(labels)).backward()
        average(p.grad for p in self._head.parameters() if p.grad is not None)
        self._optimizer.step()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if dataloader_idx == 1 and self._head is not None:
            labels = outputs["labels"]
            self._check(outputs["features"], labels)
            with torch.no_grad():
                logits = self._logits(outputs["features"])
            checks.all_finite("logits", logits, row="image", remedy=DIVERGED)
            labelled = labels >= 0
            indices = batch.indices[labelled] if isinstance(batch, Views) else None
            self._accuracy.update(indices, hits=(logits.argmax(1) == labels)[labelled])

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # By what all processes know: one without images must gather, too.
        if self._head is not None and len(trainer.num_val_batches) > 1:
            hits = self._accuracy.compute()["hits"]
            if len(hits):
                pl_module.log("probe", hits.float().mean(), prog_bar=True, sync_dist=True)
        self._accuracy.reset()

    def state_dict(self) -> dict[str, Any]:
        if self._head is None or self._optimizer is None:
            return {}
        return {"head": self._head.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict or None

    def _check(self, features: Tensor, labels: Tensor) -> None:
        checks.all_finite("features", features, row="image", remedy=DIVERGED)
        least, most = (int(end) for end in labels.aminmax())
        if least < UNKNOWN_LABEL or most >= self.num_classes:
            checks.refuse(
                "labels",
                f"classes below `num_classes`={self.num_classes} of the probe, or {UNKNOWN_LABEL}",
                most if most >= self.num_classes else least,
                "Set it to the number of classes of the data set.",
            )

    def _logits(self, features: Tensor) -> Tensor:
        assert self._head is not None
        features = features.float()
        logits: Tensor = self._head(F.layer_norm(features, features.shape[1:]))
        return logits
