"""One training of backbone and classifier.

Legend: B batch, D width, C classes, N images.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.data import ViewFinisher, evaluation_policy
from instdisc.data.views.dataset import RawViews
from instdisc.metrics import ImageRows
from instdisc.models import Backbone, split_batch_norm
from instdisc.models.few_values import refuse_few_values
from instdisc.types import Views

from ..training import check_precision
from .stages import last_stage_names, reset_last_stages


class Outputs(NamedTuple):
    """What a test gave, each image once, in the order of the set.

    Attributes:
        logits: ``(N, C)`` float32 on the CPU.
        labels: ``(N,)`` int64.
        indices: ``(N,)`` int64 positions in the test set.
    """

    logits: Tensor
    labels: Tensor
    indices: Tensor


class FineTuner(LightningModule):
    """A copy of a backbone, batch norm and a linear layer, trained together.

    Args:
        backbone: is copied.
        num_classes: C.
        learning_rate: of SGD with momentum 0.9.
        weight_decay: of everything that trains.
        epochs: of the training; the rate falls tenfold after half and three quarters of them.
        last_stages: how many stages train, from the last on; ``None`` for the whole network.
        on_epoch: is called after each epoch.
        reset_stages: how many stages begin from random weights, see `reset_last_stages`.
        seed: of these weights.

    Attributes:
        outputs: of each epoch that was tested.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        learning_rate: float,
        weight_decay: float,
        epochs: int,
        last_stages: int | None,
        on_epoch: Callable[[], object],
        reset_stages: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.backbone = copy.deepcopy(backbone).cpu().requires_grad_(True)
        split_batch_norm(self.backbone, 1)  # a run under way may have split it
        reset_last_stages(self.backbone, reset_stages, seed=seed)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.outputs: dict[int, Outputs] = {}
        self.head = nn.Sequential(
            nn.BatchNorm1d(backbone.dim), nn.Linear(backbone.dim, num_classes)
        )
        self._on_epoch = on_epoch
        self._epochs_begun = 0
        self._collected = ImageRows(
            {
                "logits": torch.zeros(0, num_classes),
                "labels": torch.zeros(0, dtype=torch.int64),
                "positions": torch.zeros(0, dtype=torch.int64),
            }
        )
        # Both kinds of view end with the same step: the normalisation.
        self._finish = ViewFinisher([evaluation_policy(seen=backbone.input)])
        if last_stages is not None:
            freeze_first_stages(self.backbone, last_stages)
        self._frozen = frozen_modules(self.backbone)
        self._before = frozen_state(self.backbone)
        self.train()  # Lightning leaves the mode as it is, and the given backbone's may be any

    @property
    def result(self) -> Outputs | None:
        """Of the last test, or ``None``."""
        return self.outputs[max(self.outputs)] if self.outputs else None

    def train(self, mode: bool = True) -> FineTuner:
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def setup(self, stage: str) -> None:
        check_precision(self.trainer)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return self._finish(batch) if isinstance(batch, RawViews) else batch

    def on_train_epoch_start(self) -> None:
        self._epochs_begun += 1

    def training_step(self, batch: Views, batch_idx: int) -> Tensor:
        try:
            logits = self._logits(batch)
        except ValueError as error:
            refuse_few_values(error, len(batch.labels))
            raise
        return F.cross_entropy(logits.float(), batch.labels)

    def on_train_epoch_end(self) -> None:
        self._on_epoch()

    def validation_step(self, batch: Views, batch_idx: int) -> None:
        self._collected.update(
            batch.indices,
            logits=self._logits(batch).float(),
            labels=batch.labels,
            positions=batch.indices,
        )

    def on_validation_epoch_end(self) -> None:
        tables = self._collected.compute()
        self.outputs[self._epochs_begun] = Outputs(
            *(tables[name].cpu() for name in ("logits", "labels", "positions"))
        )
        self._collected.reset()

    def configure_optimizers(self) -> Any:
        training = [weight for weight in self.parameters() if weight.requires_grad]
        optimizer = torch.optim.SGD(
            training, self.learning_rate, momentum=0.9, weight_decay=self.weight_decay
        )
        milestones = [max(1, self.epochs // 2), max(1, self.epochs * 3 // 4)]
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule}}

    def check_frozen(self) -> None:
        """Makes sure that what was to stay did stay.

        Raises:
            RuntimeError: if a frozen weight or statistic moved.
        """
        check_still(self.backbone, self._before)

    def _logits(self, batch: Views) -> Tensor:
        logits: Tensor = self.head(self.backbone(batch.images[0]))
        return logits


def freeze_first_stages(backbone: Backbone, last_stages: int) -> None:
    """Lets only the last stages train, and what follows them; in place.

    Args:
        backbone: whose parameters are frozen.
        last_stages: how many stages stay trainable; with 0 nothing does.

    Example:
        >>> backbone = Backbone("test_resnet")
        >>> freeze_first_stages(backbone, 1)
        >>> {name.split(".")[1] for name, weight in backbone.named_parameters()
        ...  if weight.requires_grad}
        {'layer4'}
    """
    trained = set(last_stage_names(backbone, last_stages))
    for name, weight in backbone.net.named_parameters():
        weight.requires_grad_(name in trained)


def frozen_modules(backbone: Backbone) -> list[nn.Module]:
    """The modules that hold parameters, none of which trains."""
    frozen = []
    for module in backbone.modules():
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            frozen.append(module)
    return frozen


def frozen_names(backbone: Backbone) -> list[str]:
    """The weights and statistics that must not move, by their names in the state."""
    frozen = set(frozen_modules(backbone))
    inside = {name for name, module in backbone.named_modules() if module in frozen}
    names = {name for name, weight in backbone.named_parameters() if not weight.requires_grad}
    names |= {name for name in backbone.state_dict() if name.rpartition(".")[0] in inside}
    return sorted(names)


def frozen_state(backbone: Backbone) -> dict[str, Tensor]:
    """Copies of what must not move, by name."""
    state = backbone.state_dict()
    return {name: state[name].clone() for name in frozen_names(backbone)}


def check_still(backbone: Backbone, before: Mapping[str, Tensor]) -> None:
    """Makes sure that what was to stay did stay.

    Args:
        backbone: after the training.
        before: its `frozen_state` before.

    Raises:
        RuntimeError: if a frozen weight or statistic moved.
    """
    state = backbone.state_dict()
    for name, value in before.items():
        if not torch.equal(state[name].cpu(), value.cpu()):
            raise RuntimeError(f"the frozen {name!r} of {backbone.name!r} moved")
