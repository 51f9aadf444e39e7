"""One training of a segmenter.

Legend: B batch, C classes, H x W size of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from instdisc.checkpoint import open_backbone
from instdisc.checks import checked_call, finite, whole
from instdisc.metrics import ImageRows, SegmentationResult, SegmentationScores
from instdisc.metrics.rows import empty_rows
from instdisc.models import Backbone
from instdisc.resuming import RunPosition, RunSettings
from instdisc.types import SegmentBatch

from ..course import begin_course, configure_course, load_course, save_course
from ..draws import StepDraws
from ..history import History, chosen
from ..normalisation import Normaliser
from ..rates import RunRates
from ..training import check_losses, check_precision, check_weights
from .inference import image_logits, window_sizes
from .loss import pixel_loss
from .network import Head, SegmentationNet
from .schedule import Schedule, check_schedule, segmentation_rate

_REMEDY = "Lower the `learning_rate`."


class Segmenter(LightningModule):
    """A copy of a backbone with a segmentation head, trained together by SGD on `SegmentBatch`.

    The loss is the cross-entropy averaged over the pixels that are not ignored, plus that of the
    auxiliary head times `auxiliary`. Images are normalised as the backbone was trained to see them;
    the padding of a crop is zero afterwards. Tests score whole images at their own size.
    ``Trainer.predict`` gives a list of ``(H, W)`` uint8 classes for each batch, one per image.

    Args:
        backbone: where to start: a `Backbone`, the file of one, or a timm name for random
            weights; see `instdisc.checkpoint.open_backbone`. A `Backbone` is copied.
        num_classes: C.
        head: ``"deeplab"`` or ``"fcn"``; see `SegmentationNet`.
        output_stride: pixels per cell of the last map.
        width: channels of the head.
        dropout: chance, in the head.
        auxiliary: weight of the auxiliary head's loss; 0 for none.
        learning_rate: of SGD.
        momentum: of SGD.
        weight_decay: of every weight.
        head_rate: by what the learning rate of the heads is multiplied.
        schedule: how the rate falls, ``"poly"`` or ``"step"``; see `segmentation_rate`.
        power: of ``"poly"``.
        least_rate: share of the rate at which ``"poly"`` ends.
        milestones: shares of the training, for ``"step"``.
        test_short_side: images are tested with their short side at so many pixels, and the result
            is brought back to their size; ``None``: as they are.
        window: side of the windows that slide over a test image, or height and width; ``None``
            for the whole image at once.
        window_step: pixels from one window to the next; ``None`` for two thirds of the window.
        channels_last: keep images and weights in that order in memory.

    Attributes:
        history: whose result it is, and how it was trained; see `History`.
        result: of a test or validation of the weights as they are; else ``None``.
        tested: ``(N,)`` int64 positions of its images in the test set, or ``None``.

    Raises:
        ValueError: if an argument is out of range; while training, if the batch of a process is
            one crop or the training diverged.
        ValueError, FileNotFoundError, TypeError: see `open_backbone`.

    Example:
        >>> Segmenter("test_resnet", 5, width=8).net.backbone.strides
        [4, 8, 16, 16]
    """

    @checked_call()
    def __init__(
        self,
        backbone: Backbone | str | Path,
        num_classes: int,
        *,
        head: Head = "deeplab",
        output_stride: int = 16,
        width: int = 256,
        dropout: float | None = None,
        auxiliary: float = 0.0,
        learning_rate: float = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        head_rate: float = 1.0,
        schedule: Schedule = "poly",
        power: float = 0.9,
        least_rate: float = 0.0,
        milestones: Sequence[float] = (0.7, 0.9),
        test_short_side: int | None = None,
        window: int | Sequence[int] | None = None,
        window_step: int | Sequence[int] | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        check_schedule(schedule, power, least_rate, milestones)
        finite("auxiliary", auxiliary, at_least=0)
        if test_short_side is not None:
            whole("test_short_side", test_short_side)
        backbone = open_backbone(backbone)
        self.history = History(backbone)
        self.window, self.window_step = window_sizes(window, window_step)
        self.net = SegmentationNet(
            backbone,
            num_classes,
            head=head,
            output_stride=output_stride,
            width=width,
            dropout=dropout,
            auxiliary=auxiliary > 0,
        )
        self.spec: dict[str, Any] = {
            "head": head,
            "output_stride": output_stride,
            "width": width,
            "dropout": dropout,
        }
        self.auxiliary = auxiliary
        self.learning_rate, self.momentum = learning_rate, momentum
        self.weight_decay, self.head_rate = weight_decay, head_rate
        self.schedule, self.power, self.least_rate = schedule, power, least_rate
        self.milestones = tuple(milestones)
        self.test_short_side = test_short_side
        self.channels_last = channels_last
        if channels_last:
            layout: Any = torch.channels_last
            self.net.to(memory_format=layout)
        self.normalise = Normaliser(self.history.seen)
        self.scores = SegmentationScores(num_classes, per_image=True)
        self.result: SegmentationResult | None = None
        self.tested: Tensor | None = None
        self._positions = ImageRows({"positions": empty_rows(None, torch.int64)})
        self.position = RunPosition()
        self.rates = RunRates(self.position, self._rate)
        self.draws = StepDraws()
        self.settings = RunSettings(
            self.free_settings(),
            {
                "backbone": backbone.spec,
                "num_classes": num_classes,
                "head": head,
                "output_stride": output_stride,
                "width": width,
                "auxiliary head": auxiliary > 0,
            },
        )

    def free_settings(self) -> dict[str, Any]:
        """What a resume may change; JSON values."""
        settings = ("learning_rate", "momentum", "weight_decay", "head_rate", "auxiliary")
        schedule = ("schedule", "power", "least_rate", "milestones")
        return {**chosen(self, *settings, *schedule), "dropout": self.spec["dropout"]}

    def setup(self, stage: str) -> None:
        check_precision(self.trainer)
        self.history.show(self)

    def on_train_start(self) -> None:
        begin_course(self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        save_course(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        load_course(self, checkpoint)
        self.net.backbone.input = self.history.seen
        self.normalise.follow(self.history.seen)

    def training_step(self, batch: SegmentBatch, batch_idx: int) -> Tensor:
        if len(batch.images) < 2 and not self._synchronised():
            raise ValueError(
                "`batch_size` must be at least 2 on each device, since batch norm needs it, got "
                f"{len(batch.images)}. Or train on several devices with sync_batchnorm."
            )
        self.result = self.tested = None  # of weights that are no more
        with self.draws.at(self.global_step, self.global_rank, self.device):  # dropout
            logits = self.net(self._normalise(batch.images, batch.sizes))
        loss = pixel_loss(logits.classes, batch.masks)
        if logits.auxiliary is not None:
            loss = loss + self.auxiliary * pixel_loss(logits.auxiliary, batch.masks)
        check_losses({"loss": loss}, self.global_step, _REMEDY, batch.images)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        check_weights(self.net, _REMEDY)

    def validation_step(self, batch: SegmentBatch, batch_idx: int) -> None:
        for rows in self._alike(batch):
            height, width = batch.sizes[rows[0]].tolist()
            predictions = self.predict_classes(batch.images[rows, :, :height, :width])
            self.scores.update(predictions, batch.masks[rows, :height, :width], batch.indices[rows])
        self._positions.update(batch.indices, positions=batch.indices)

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            result: SegmentationResult = self.scores.compute()
            self.result = SegmentationResult(*(tensor.cpu() for tensor in result))
            self.tested = self._positions.compute()["positions"].cpu()
            name = "test" if self.trainer.testing else "val"
            self.log(f"{name}/mIoU", 100 * float(self.result.mean_iou), prog_bar=True)
            self.log(f"{name}/pixel_accuracy", 100 * float(self.result.pixel_accuracy))
        self.scores.reset()
        self._positions.reset()

    on_test_epoch_start = on_predict_epoch_start = on_validation_epoch_start
    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def predict_step(self, batch: SegmentBatch, batch_idx: int) -> list[Tensor]:
        return [
            self.predict_classes(image[None, :, :height, :width])[0].to(torch.uint8)
            for image, (height, width) in zip(batch.images, batch.sizes.tolist(), strict=True)
        ]

    @torch.no_grad()
    def predict_classes(self, images: Tensor) -> Tensor:
        """The class of each pixel; the module must be in eval mode.

        Args:
            images: ``(B, 3, H, W)`` uint8, without padding.

        Returns:
            ``(B, H, W)`` int64.
        """
        logits = image_logits(
            lambda part: self.net(part).classes,
            self._normalise(images),
            short_side=self.test_short_side,
            interpolation=self.history.seen.interpolation,
            window=self.window,
            window_step=self.window_step,
        )
        return logits.argmax(1)

    def configure_optimizers(self) -> Any:
        body = list(self.net.backbone.parameters())
        heads = [
            weight
            for name, weight in self.net.named_parameters()
            if not name.startswith("backbone.")
        ]
        groups: list[dict[str, Any]] = [
            {"params": body},
            {"params": heads, "lr": self.head_rate * self.learning_rate},
        ]
        optimizer = torch.optim.SGD(
            groups, self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
        )
        return configure_course(self, optimizer)

    def _rate(self, step: float, num_steps: float) -> float:
        return segmentation_rate(
            step,
            num_steps,
            schedule=self.schedule,
            power=self.power,
            least=self.least_rate,
            milestones=self.milestones,
        )

    def _alike(self, batch: SegmentBatch) -> list[Tensor]:
        """The rows of a batch, those of one size together if all are; they need no padding."""
        rows = torch.arange(len(batch.images))
        return [rows] if bool((batch.sizes == batch.sizes[0]).all()) else list(rows.split(1))

    def _normalise(self, images: Tensor, sizes: Tensor | None = None) -> Tensor:
        normal: Tensor = self.normalise(images, sizes)
        if self.channels_last:
            normal = normal.contiguous(memory_format=torch.channels_last)
        return normal

    def _synchronised(self) -> bool:
        return any(isinstance(module, nn.SyncBatchNorm) for module in self.net.head.modules())
