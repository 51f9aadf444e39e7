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
from torch.nn import functional as F

from instdisc.checkpoint import open_backbone
from instdisc.data.views.dataset import IMAGENET_MEAN, IMAGENET_STD
from instdisc.metrics import SegmentationResult, SegmentationScores
from instdisc.models import Backbone
from instdisc.types import IGNORED_CLASS, SegmentBatch

from .inference import check_window, sliding_logits
from .network import Head, SegmentationNet
from .schedule import Schedule, check_schedule, segmentation_rate


class Segmenter(LightningModule):
    """A copy of a backbone with a segmentation head, trained together by SGD on `SegmentBatch`.

    The loss is the cross-entropy averaged over the pixels that are not ignored, plus that of the
    auxiliary head times `auxiliary`. Validation scores whole images at their own size.

    Args:
        backbone: where to start: a `Backbone`, the file of one, or a timm name for random
            weights; see `instdisc.checkpoint.open_backbone`. A `Backbone` is copied.
        num_classes: C.
        head: ``"deeplab"`` or ``"fcn"``; see `SegmentationNet`, like the next three.
        output_stride: pixels per cell of the last map.
        width: channels of the head.
        dropout: chance, in the head.
        auxiliary: weight of the auxiliary head's loss; 0 for none.
        learning_rate: of SGD.
        momentum: of SGD.
        weight_decay: of every weight.
        head_rate: by what the learning rate of the heads is multiplied.
        schedule: ``"poly"`` or ``"step"``; see `segmentation_rate`, like the next three.
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
        result: of the last validation.

    Raises:
        ValueError: if an argument is out of range; while training, if the batch of a process is
            one crop or the training diverged.
        ValueError, FileNotFoundError, TypeError: see `open_backbone`.

    Example:
        >>> Segmenter("test_resnet", 5, width=8).net.backbone.strides
        [4, 8, 16, 16]
    """

    mean: Tensor
    std: Tensor

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
        _check_rates(
            learning_rate=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            head_rate=head_rate,
            auxiliary=auxiliary,
        )
        if test_short_side is not None and test_short_side < 1:
            raise ValueError(f"`test_short_side` must be positive or None, got {test_short_side}")
        self.window, self.window_step = _window(window, window_step)
        self.net = SegmentationNet(
            open_backbone(backbone),
            num_classes,
            head=head,
            output_stride=output_stride,
            width=width,
            dropout=dropout,
            auxiliary=auxiliary > 0,
        )
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
        self.scores = SegmentationScores(num_classes, per_image=True)
        self.result: SegmentationResult | None = None
        self._seed = 0
        for name, numbers in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            values = 255 * torch.tensor(numbers)[:, None, None]
            self.register_buffer(name, values, persistent=False)

    def on_fit_start(self) -> None:
        self._seed = torch.initial_seed()

    def on_train_batch_start(self, batch: SegmentBatch, batch_idx: int) -> None:
        # Dropout depends on seed, step and process alone: a resumed run repeats it.
        step = self.global_step * self.trainer.world_size + self.global_rank
        torch.manual_seed((self._seed * 1_000_003 + step) % 2**63)

    def training_step(self, batch: SegmentBatch, batch_idx: int) -> Tensor:
        if len(batch.images) < 2 and not self._synchronised():
            raise ValueError(
                "`batch_size` must be at least 2 on each device, since batch norm needs it, got "
                f"{len(batch.images)}. Or train on several devices with sync_batchnorm."
            )
        logits = self.net(self._normalise(batch.images))
        loss = pixel_loss(logits.classes, batch.masks)
        if logits.auxiliary is not None:
            loss = loss + self.auxiliary * pixel_loss(logits.auxiliary, batch.masks)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        if not all(bool(weight.isfinite().all()) for weight in self.net.head.parameters()):
            raise ValueError(
                "the weights are not finite: the training diverged. Lower `learning_rate`."
            )

    def validation_step(self, batch: SegmentBatch, batch_idx: int) -> None:
        whole = (batch.sizes == batch.sizes.new_tensor(batch.masks.shape[1:])).all()
        if bool(whole):
            self.scores.update(self.predict_classes(batch.images), batch.masks, batch.indices)
            return
        for image, mask, (height, width), index in zip(
            batch.images, batch.masks, batch.sizes.tolist(), batch.indices, strict=True
        ):
            found = self.predict_classes(image[None, :, :height, :width])
            self.scores.update(found, mask[None, :height, :width], index[None])

    def on_validation_epoch_end(self) -> None:
        result: SegmentationResult = self.scores.compute()
        self.scores.reset()
        self.result = SegmentationResult(*(tensor.cpu() for tensor in result))
        self.log("val/mIoU", 100 * float(self.result.mean_iou), prog_bar=True)
        self.log("val/pixel_accuracy", 100 * float(self.result.pixel_accuracy))

    @torch.no_grad()
    def predict_classes(self, images: Tensor) -> Tensor:
        """The class of each pixel; the module must be in eval mode.

        Args:
            images: ``(B, 3, H, W)`` uint8, without padding.

        Returns:
            ``(B, H, W)`` int64.
        """
        size = (images.shape[2], images.shape[3])
        normal = self._normalise(images)
        if self.test_short_side is not None:
            scale = self.test_short_side / min(size)
            resized = [max(1, round(side * scale)) for side in size]
            normal = F.interpolate(normal, resized, mode="bilinear", antialias=True)

        def logits(part: Tensor) -> Tensor:
            found: Tensor = self.net(part).classes
            return found

        if self.window is None:
            found = logits(normal)
        else:
            found = sliding_logits(logits, normal, self.window, self.window_step)
        if found.shape[2:] != size:
            found = F.interpolate(found.float(), size, mode="bilinear", align_corners=False)
        return found.argmax(1)

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
        num_steps = int(self.trainer.estimated_stepping_batches)

        def factor(step: int) -> float:
            return segmentation_rate(
                step,
                num_steps,
                schedule=self.schedule,
                power=self.power,
                least=self.least_rate,
                milestones=self.milestones,
            )

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _normalise(self, images: Tensor) -> Tensor:
        normal = (images.float() - self.mean) / self.std
        if self.channels_last:
            normal = normal.contiguous(memory_format=torch.channels_last)
        return normal

    def _synchronised(self) -> bool:
        return any(isinstance(module, nn.SyncBatchNorm) for module in self.net.head.modules())


def pixel_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy averaged over the pixels that are not ignored; 0 where all are.

    Args:
        logits: ``(B, C, H, W)``.
        masks: ``(B, H, W)`` integer classes; 255 = ignored.

    Example:
        >>> masks = torch.tensor([[[0, 255]]])
        >>> pixel_loss(torch.zeros(1, 2, 1, 2), masks)
        tensor(0.6931)
    """
    masks = masks.long()
    total = F.cross_entropy(logits.float(), masks, ignore_index=IGNORED_CLASS, reduction="sum")
    return total / (masks != IGNORED_CLASS).sum().clamp(min=1)


def _window(
    window: int | Sequence[int] | None, step: int | Sequence[int] | None
) -> tuple[Any, Any]:
    """Both as height and width, or both ``None``."""
    if window is None:
        if step is not None:
            raise ValueError(f"`window_step` needs `window`, got {step} without it")
        return None, None
    own: Any = (window, window) if isinstance(window, int) else tuple(window)
    if len(own) != 2 or min(own) < 1:
        raise ValueError(f"`window` must be a positive side, or height and width, got {window}")
    if step is None:
        step = [max(1, side * 2 // 3) for side in own]
    apart: Any = (step, step) if isinstance(step, int) else tuple(step)
    check_window(own, apart)
    return own, apart


def _check_rates(**numbers: float) -> None:
    for name, number in numbers.items():
        least_excluded = name in ("learning_rate", "head_rate")
        if not (number > 0 if least_excluded else number >= 0):
            rule = "positive" if least_excluded else "at least 0"
            raise ValueError(f"`{name}` must be {rule}, got {number}")
