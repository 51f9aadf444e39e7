"""An online linear probe: a classifier on detached features, trained beside the backbone."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from instdisc import checks
from instdisc.distributed import average


class OnlineLinearProbe(Callback):
    """Trains a linear classifier on the features of each training batch and logs its accuracy.

    The features are detached: the backbone does not notice. Each step uses the features that the
    method computed anyway. The accuracy on the second validation loader (the test set of
    `ViewData`) is logged as ``probe``. Images of unknown class are left out. The classifier and
    its optimiser are part of the checkpoint.

    Args:
        num_classes: number of classes, at least 2.
        learning_rate: of Adam.

    Raises:
        TypeError: if `num_classes` is no whole number or `learning_rate` no number.
        ValueError: if `num_classes` is below 2 or `learning_rate` is not positive and finite; in
            training, if a label is outside the classes.

    Source:
        Islam et al. (2021) train such a probe with SGD at ten times the method's rate, after
        dropout. Differs from it: layer norm and Adam instead, so that one setting fits features
        of any scale and batches of any size.
    """

    def __init__(self, num_classes: int, *, learning_rate: float = 1e-3) -> None:
        self.num_classes = checks.whole("num_classes", num_classes, at_least=2)
        self.learning_rate = checks.positive("learning_rate", learning_rate)
        self._head: nn.Linear | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._restored: dict[str, Any] | None = None
        self._accuracy = MeanMetric()

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
        # Looking at labels on a GPU would wait for it: there, only once per epoch.
        if labels.device.type == "cpu" or batch_idx == 0:
            self._check_labels(labels)
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
            known = outputs["labels"] >= 0
            if not known.any():
                return
            with torch.no_grad():
                predictions = self._logits(outputs["features"][known]).argmax(1)
            self._accuracy.update((predictions == outputs["labels"][known]).float())

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._accuracy.update_called:
            pl_module.log("probe", self._accuracy.compute(), prog_bar=True, sync_dist=True)
        self._accuracy.reset()

    def state_dict(self) -> dict[str, Any]:
        if self._head is None or self._optimizer is None:
            return {}
        return {"head": self._head.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict or None

    def _check_labels(self, labels: Tensor) -> None:
        highest = int(labels.max())
        if highest >= self.num_classes:
            raise ValueError(
                f"label {highest} is outside `num_classes`={self.num_classes} of the probe. "
                "Set it to the number of classes of the data set."
            )

    def _logits(self, features: Tensor) -> Tensor:
        assert self._head is not None
        features = features.float()
        logits: Tensor = self._head(F.layer_norm(features, features.shape[1:]))
        return logits
