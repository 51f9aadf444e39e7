"""One training of a landmark head, with or without the backbone.

Legend: B batch, D width, P points, S side of a view.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F

from instdisc.checkpoint import open_backbone
from instdisc.data import LandmarkData, LandmarkLayout
from instdisc.data.landmarks.dataset import to_image
from instdisc.metrics import LandmarkErrors, image_errors
from instdisc.models import Backbone
from instdisc.types import LandmarkBatch

from ..finetuning.module import frozen_names
from .heads import HeatmapHead, RegressionHead

Head = Literal["linear", "mlp", "heatmap"]
_MOST_SHOWN = 16


class Shown(NamedTuple):
    """A test image for a picture; points ``(P, 2)`` in its pixels."""

    position: int
    predicted: Tensor
    points: Tensor
    visible: Tensor


class LandmarkModule(LightningModule):
    """A backbone and a head that finds points; Adam, and a cosine over the whole training.

    Args:
        backbone: where to start: a `Backbone`, the file of one, or a timm name for random
            weights; see `instdisc.checkpoint.open_backbone`. A `Backbone` is copied.
        layout: what the points are.
        image_size: S.
        head: ``"linear"`` or ``"mlp"`` (`RegressionHead`), or ``"heatmap"`` (`HeatmapHead`).
        grid: into how many cells per side the last map is averaged for a regression head. 1 is
            the pooled feature; more cells say where in the image things are.
        hidden: width of the hidden layer of ``"mlp"``.
        frozen: whether the backbone stays as it is, in eval mode.
        learning_rate: of the head.
        backbone_learning_rate: ``None`` for a tenth of that of the head.
        weight_decay: as Adam's L2 penalty.

    Attributes:
        errors: ``(N, P)`` float64 of the last test, NaN where a point does not count; ``None``
            before the first.
        shown: up to 16 images of the last test, in equal steps over the set, for pictures; on
            several processes those that this one saw.

    Raises:
        ValueError: if an argument is out of range, or has no use beside the others; and from the
            parts.
        ValueError, FileNotFoundError, TypeError: see `open_backbone`.

    Source:
        Adam, rate 1e-3, decay 5e-4, batch 32, cosine: cvl-umass/contrast-landmark's regressor on
        frozen features. Head and features are ours: Zhao et al. (2021) do not say theirs.

    Example:
        >>> from instdisc.data import SCENE_5
        >>> module = LandmarkModule("test_resnet", SCENE_5, image_size=64)
        >>> module(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 5, 2])
    """

    def __init__(
        self,
        backbone: Backbone | str | Path,
        layout: LandmarkLayout,
        *,
        image_size: int = 224,
        head: Head = "linear",
        grid: int = 1,
        hidden: int = 1024,
        frozen: bool = True,
        learning_rate: float = 1e-3,
        backbone_learning_rate: float | None = None,
        weight_decay: float = 5e-4,
    ) -> None:
        super().__init__()
        _check(head, grid, frozen, learning_rate, backbone_learning_rate, weight_decay)
        self.backbone = copy.deepcopy(open_backbone(backbone)).cpu()
        self.layout = layout
        self.image_size = image_size
        self.grid = grid
        self.frozen = frozen
        self.learning_rate = learning_rate
        self.backbone_learning_rate = (
            learning_rate / 10 if backbone_learning_rate is None else backbone_learning_rate
        )
        self.weight_decay = weight_decay
        self.head: RegressionHead | HeatmapHead
        num_points = len(layout.names)
        if head == "heatmap":
            width, stride = self.backbone.widths[-1], self.backbone.strides[-1]
            self.head = HeatmapHead(width, num_points, stride=stride)
        else:
            dim = self.backbone.dim if grid == 1 else self.backbone.widths[-1] * grid**2
            self.head = RegressionHead(dim, num_points, hidden=hidden if head == "mlp" else 0)
        self.backbone.requires_grad_(not frozen)
        state = self.backbone.state_dict()
        self._before = {name: state[name].clone() for name in frozen_names(self.backbone)}
        self._precomputed = False
        self._metric = LandmarkErrors()
        self.errors: Tensor | None = None
        self.shown: list[Shown] = []
        self._show_every = 1
        self.train()  # Lightning leaves the mode as it is

    def forward(self, images: Tensor) -> Tensor:
        """Normalised views ``(B, 3, S, S)`` to points ``(B, P, 2)`` in their pixels."""
        return self.head.points(self.head(self.encode(images))) * self.image_size

    def encode(self, images: Tensor) -> Tensor:
        """What the head takes: ``(B, D)``, or the last map."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            if isinstance(self.head, RegressionHead) and self.grid == 1:
                features: Tensor = self.backbone(images)
                return features
            last = self.backbone.maps(images)[-1]
            if isinstance(self.head, HeatmapHead):
                return last
            return F.adaptive_avg_pool2d(last, self.grid).flatten(1)

    def can_precompute(self, data: LandmarkData) -> bool:
        """Whether an image's features are the same in every epoch, and small."""
        return self.frozen and not data.is_random and isinstance(self.head, RegressionHead)

    def precompute(self, data: LandmarkData, device: str | torch.device) -> None:
        """Puts features in the place of the views: the backbone sees each image but once.

        Raises:
            ValueError: if `can_precompute` is not true.
        """
        if not self.can_precompute(data):
            raise ValueError(
                "features can be kept only of a `frozen` backbone, for `head`='linear' or 'mlp', "
                "and with `augment`='none'"
            )
        self.backbone.to(device)
        data.encode(self.encode, device)
        self._precomputed = True

    def train(self, mode: bool = True) -> LandmarkModule:
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def setup(self, stage: str) -> None:
        # Before a checkpoint is restored, which then says where the head stands.
        data = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and isinstance(self.head, RegressionHead) and data is not None:
            self.head.start_at(data.mean_points())

    def training_step(self, batch: LandmarkBatch, batch_idx: int) -> Tensor:
        loss = self.head.loss(self._output(batch), batch.points / self.image_size, batch.inside)
        self.log("loss", loss, prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.shown = []
        loaders: Any = self.trainer.val_dataloaders
        self._show_every = -(-len(loaders.dataset) // _MOST_SHOWN)

    def validation_step(self, batch: LandmarkBatch, batch_idx: int) -> None:
        seen = self.head.points(self._output(batch)) * self.image_size
        predicted, points = (
            to_image(some, batch.boxes, self.image_size) for some in (seen, batch.points)
        )
        distances = self.layout.distance(points, batch.visible)
        self._metric.update(predicted, points, batch.visible, distances, batch.indices)
        found = (batch.indices, predicted, points, batch.visible)
        chosen = batch.indices % self._show_every == 0
        rows = zip(*(some[chosen].cpu() for some in found), strict=True)
        self.shown += [Shown(int(position), *row) for position, *row in rows]

    def on_validation_epoch_end(self) -> None:
        self.errors = self._metric.compute().cpu()
        self._metric.reset()
        mean = 100 * image_errors(self.errors, ~self.errors.isnan()).nanmean()
        self.log("NME", mean.float(), prog_bar=True)

    def on_fit_end(self) -> None:
        state = self.backbone.state_dict()
        for name, before in self._before.items():
            if not torch.equal(state[name].cpu(), before.cpu()):
                raise RuntimeError(f"the frozen {name!r} of {self.backbone.name!r} moved")

    def configure_optimizers(self) -> Any:
        groups = [{"params": list(self.head.parameters()), "lr": self.learning_rate}]
        if not self.frozen:
            groups.append(
                {"params": list(self.backbone.parameters()), "lr": self.backbone_learning_rate}
            )
        optimizer = torch.optim.Adam(groups, weight_decay=self.weight_decay)
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _output(self, batch: LandmarkBatch) -> Tensor:
        features = batch.images if self._precomputed else self.encode(batch.images)
        output: Tensor = self.head(features)
        return output


def _check(
    head: str,
    grid: int,
    frozen: bool,
    learning_rate: float,
    backbone_learning_rate: float | None,
    weight_decay: float,
) -> None:
    if head not in ("linear", "mlp", "heatmap"):
        raise ValueError(f"`head` must be 'linear', 'mlp' or 'heatmap', got {head!r}")
    if grid < 1 or (grid > 1 and head == "heatmap"):
        raise ValueError(
            f"`grid` must be at least 1, and 1 for a heat map, which keeps every cell, got {grid}"
        )
    if frozen and backbone_learning_rate is not None:
        raise ValueError("`backbone_learning_rate` is of no use while `frozen` is set. Leave one.")
    rates = {"learning_rate": learning_rate, "backbone_learning_rate": backbone_learning_rate}
    for name, rate in rates.items():
        if rate is not None and not rate > 0:
            raise ValueError(f"`{name}` must be positive, got {rate}")
    if weight_decay < 0:
        raise ValueError(f"`weight_decay` must not be negative, got {weight_decay}")
