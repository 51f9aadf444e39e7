"""One training of a landmark head, with or without the backbone.

Legend: B batch, D width, P points, S side of a view.
"""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F

from instdisc.checkpoint import open_backbone
from instdisc.checks import checked_call, refuse, whole
from instdisc.data import LandmarkData, LandmarkLayout
from instdisc.data.landmarks.dataset import to_image
from instdisc.metrics import image_errors
from instdisc.models import Backbone, split_batch_norm
from instdisc.models.few_values import refuse_few_values
from instdisc.resuming import RunPosition, RunSettings
from instdisc.types import LandmarkBatch

from ..course import begin_course, configure_course, load_course, save_course
from ..draws import StepDraws
from ..finetuning.module import check_still, frozen_state
from ..history import History, chosen
from ..rates import RunRates, cosine, take_up_cosine
from ..training import check_losses, check_precision, check_weights
from .arguments import check_arguments
from .heads import HeatmapHead, RegressionHead
from .result import LandmarkResult, PointTable, Shown

Head = Literal["linear", "mlp", "heatmap"]
_REMEDY = "Lower the `learning_rate`."


class LandmarkModule(LightningModule):
    """A backbone and a head that finds points; Adam, and a cosine over the whole training.

    ``Trainer.predict`` gives the points ``(B, P, 2)`` of each batch in pixels of the images.

    Args:
        backbone: where to start: a `Backbone`, the file of one, or a timm name for random
            weights; see `instdisc.checkpoint.open_backbone`. A `Backbone` is copied.
        layout: what the points are.
        image_size: S; ``None``: at which the backbone was trained.
        head: ``"linear"`` or ``"mlp"`` (`RegressionHead`), or ``"heatmap"`` (`HeatmapHead`).
        grid: cells per side into which the last map is averaged for a regression head. 1 is the
            pooled feature; more cells keep positions in the image.
        hidden: width of the hidden layer of ``"mlp"``.
        frozen: whether the backbone stays as it is, in eval mode.
        learning_rate: of the head.
        backbone_learning_rate: ``None`` for a tenth of that of the head.
        weight_decay: as Adam's L2 penalty.

    Attributes:
        history: whose result it is, and how it was trained; see `History`.
        result: of a test or validation of the weights as they are; else ``None``.
        shown: up to 16 images of the last test, in equal steps over the set, for pictures; on
            several processes those that this one saw.

    Raises:
        ValueError: if an argument is out of range, or has no use beside the others.
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

    @checked_call()
    def __init__(
        self,
        backbone: Backbone | str | Path,
        layout: LandmarkLayout,
        *,
        image_size: int | None = None,
        head: Head = "linear",
        grid: int = 1,
        hidden: int = 1024,
        frozen: bool = True,
        learning_rate: float = 1e-3,
        backbone_learning_rate: float | None = None,
        weight_decay: float = 5e-4,
    ) -> None:
        super().__init__()
        check_arguments(head, grid, frozen, learning_rate, backbone_learning_rate, weight_decay)
        self.backbone = copy.deepcopy(open_backbone(backbone)).cpu()
        split_batch_norm(self.backbone, 1)  # a run under way may have split it
        self.history = History(self.backbone)
        self.layout = layout
        side = self.history.seen.size if image_size is None else image_size
        whole("image_size", side, remedy="Landmarks are found in square views.")
        self.image_size = cast(int, side)
        self.spec = {"head": head, "grid": grid, "hidden": hidden if head == "mlp" else None}
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
        self._before: dict[str, Tensor] = {}
        self._precomputed = False
        self._table = PointTable(layout)
        self.position = RunPosition()
        self.rates = RunRates(self.position, cosine)
        self.draws = StepDraws()
        self.settings = RunSettings(
            self.free_settings(),
            {
                "backbone": self.backbone.spec,
                "layout": f"{num_points} points: {', '.join(layout.names)}",
                **self.spec,
                "frozen": frozen,
            },
        )
        self.result: LandmarkResult | None = None
        self.train()  # Lightning leaves the mode as it is

    @property
    def shown(self) -> list[Shown]:
        """Images of the last test, for pictures."""
        return self._table.shown

    @property
    def errors(self) -> Tensor | None:
        """``result.errors``, under its name of release 0.1.0."""
        warnings.warn(
            "LandmarkModule.errors is result.errors now", DeprecationWarning, stacklevel=2
        )
        return None if self.result is None else self.result.errors

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
        data.show_as(self.history.seen)
        data.encode(self.encode, device)
        self._precomputed = True

    def train(self, mode: bool = True) -> LandmarkModule:
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def free_settings(self) -> dict[str, Any]:
        """What a resume may change; JSON values."""
        rates = ("learning_rate", "backbone_learning_rate")
        return chosen(self, *rates, "weight_decay", "image_size")

    def setup(self, stage: str) -> None:
        check_precision(self.trainer)
        self.history.show(self)
        size = getattr(getattr(self.trainer, "datamodule", None), "image_size", self.image_size)
        if size != self.image_size:
            refuse(
                "image_size", f"that of the data, {size}", self.image_size, "Give both the same."
            )
        # Before a checkpoint is restored, which then says where the head stands.
        data = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and isinstance(self.head, RegressionHead) and data is not None:
            self.head.start_at(data.mean_points())

    def on_fit_start(self) -> None:
        self._before = frozen_state(self.backbone)  # that of a checkpoint, if the run goes on

    def on_train_start(self) -> None:
        begin_course(self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        save_course(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        before = self.history.about.weights
        take_up_cosine(checkpoint)
        load_course(self, checkpoint)
        if self._precomputed and before != self.history.about.weights:
            refuse(
                "backbone",
                "the one that the checkpoint began with, since its features are kept already",
                before,
                "Load the checkpoint before `precompute`, or build the module from that backbone.",
            )
        self.backbone.input = self.history.seen

    def training_step(self, batch: LandmarkBatch, batch_idx: int) -> Tensor:
        self.result = None  # of weights that are no more
        with self.draws.at(self.global_step, self.global_rank, self.device):
            try:
                output = self._output(batch)
            except ValueError as error:
                refuse_few_values(error, len(batch.images))
                raise
        loss = self.head.loss(output, batch.points / self.image_size, batch.inside)
        check_losses({"loss": loss}, self.global_step, _REMEDY, batch.images)
        self.log("loss", loss, prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        check_weights(self, _REMEDY)
        testing = self.trainer.testing
        loaders: Any = self.trainer.test_dataloaders if testing else self.trainer.val_dataloaders
        self._table.begin(len(loaders.dataset))

    def validation_step(self, batch: LandmarkBatch, batch_idx: int) -> None:
        predicted = self.predict_step(batch, batch_idx)
        self._table.update(predicted, to_image(batch.points, batch.boxes, self.image_size), batch)

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.result = self._table.compute()
            errors = self.result.errors
            mean = 100 * image_errors(errors, ~errors.isnan()).nanmean()
            self.log("NME", mean.float(), prog_bar=True)
        self._table.reset()

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def on_predict_epoch_start(self) -> None:
        check_weights(self, _REMEDY)

    def predict_step(self, batch: LandmarkBatch, batch_idx: int) -> Tensor:
        seen = self.head.points(self._output(batch)) * self.image_size
        return to_image(seen.float(), batch.boxes, self.image_size)

    def on_fit_end(self) -> None:
        check_still(self.backbone, self._before)

    def configure_optimizers(self) -> Any:
        groups = [{"params": list(self.head.parameters()), "lr": self.learning_rate}]
        if not self.frozen:
            groups.append(
                {"params": list(self.backbone.parameters()), "lr": self.backbone_learning_rate}
            )
        optimizer = torch.optim.Adam(groups, weight_decay=self.weight_decay)
        return configure_course(self, optimizer)

    def _output(self, batch: LandmarkBatch) -> Tensor:
        kept = batch.images.ndim == 2  # features, where views have four dimensions
        if kept and not self._precomputed:
            refuse(
                "data",
                "of views, or of features that this module has kept",
                batch.images,
                "Call `precompute` of the module.",
            )
        features = batch.images if kept else self.encode(batch.images)
        output: Tensor = self.head(features)
        return output
