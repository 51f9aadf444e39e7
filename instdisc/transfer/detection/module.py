"""A detector for Lightning's Trainer.

Legend: B batch, H x W size of the batch's images.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from instdisc.checkpoint import open_backbone
from instdisc.checks import checked_call, refuse, whole
from instdisc.data import ObjectSource
from instdisc.models import Backbone
from instdisc.resuming import RunPosition, RunSettings
from instdisc.types import Detections, ObjectBatch

from ..course import begin_course, configure_course, load_course, save_course
from ..draws import StepDraws
from ..history import History, chosen
from ..normalisation import Normaliser, check_statistics
from ..rates import RunRates
from ..training import check_losses, check_precision, check_weights
from .detector import Detector
from .evaluation import Evaluation, Evaluator, Protocol, check_protocols, restore
from .norms import Norm, split_weights
from .precise_norm import measure_norms
from .proposals import ProposalCounts
from .recipe import DetectionRecipe, check_recipe, rate_factor
from .sets import check_sets, check_test, truth_of

_REMEDY = "Lower the `learning_rate` or lengthen the `warmup`."


class DetectionModule(LightningModule):
    """Fine-tunes a backbone as Faster or Mask R-CNN, and tests it.

    It trains on `ObjectBatch`: of a data module with the attribute ``test``, whose objects are the
    truth of the test (`instdisc.data.ObjectData`). The rate rises over `warmup` iterations and
    falls tenfold at each milestone. Images are normalised on the device; the padding is zero
    afterwards. Before each test batch norm gets its statistics anew (`precise_batch_norm`).
    ``Trainer.predict`` gives a list of `Detections` for each batch, in pixels of the files.

    Args:
        backbone: where to start: a `Backbone`, the file of one, or a timm name for random
            weights; see `instdisc.checkpoint.open_backbone`. A `Backbone` is copied.
        num_classes: without the background.
        masks: also predict masks.
        neck: ``"c4"``: the last stage is the head of each region (the papers' R50-C4); ``"fpn"``: a
            feature pyramid on all stages.
        norm: batch norm ``"sync"`` over all processes, ``"plain"`` in each, or ``"frozen"``.
        freeze_parts: that stay as they are: 0 none, 1 the stem, 2 also layer1, ... 5 everything.
        anchor_sizes: sides of the anchors in pixels, fine to coarse; ``None``: 32 to 512.
        counts: proposals to keep; ``None``: those of the neck's published configuration.
        regions_per_image: that the losses see, at most a quarter of them foreground.
        min_score: least score of a detection.
        learning_rate: of SGD, after the warm-up, for the whole batch of all processes. It follows
            the batch by no rule of its own; see `DetectionRecipe.for_batch`.
        momentum: of SGD.
        weight_decay: of everything but the scales and shifts of norms, which have none.
        warmup: iterations from a thousandth of the rate to the whole.
        milestones: iterations at which the rate falls tenfold.
        precise_batches: of training, per process, for precise batch norm; 0: running statistics.
        protocols: of the scores: ``"coco"``, ``"voc07"`` (AP over 11 points), ``"voc10"`` (all).
        mean: of the normalisation of images in [0, 1], per channel; ``None``: the backbone's.
        std: likewise.
        channels_last: compute in that memory format; ``None``: on a GPU.

    Attributes:
        detector: the `Detector`.
        history: whose result it is, and how it was trained; see `History`.
        result: of a test or validation of the weights as they are; else ``None``.

    Raises:
        ValueError: if an argument is out of range; in training, if the loss is not finite.
        ValueError, FileNotFoundError, TypeError: see `open_backbone` and `Detector`.

    Source:
        MoCo's detection configurations for detectron2: SGD, warm-up, milestones, weight decay,
        normalisation, precise batch norm with 200 batches.

    Example:
        >>> module = DetectionModule("test_resnet", 3, milestones=[6, 8])
        >>> module.detector.spec["neck"], module.result
        ('c4', None)
    """

    @checked_call()
    def __init__(
        self,
        backbone: Backbone | str | Path = "resnet50",
        num_classes: int = 20,
        *,
        masks: bool = False,
        neck: Literal["c4", "fpn"] = "c4",
        norm: Norm = "sync",
        freeze_parts: int = 0,
        anchor_sizes: Sequence[float] | None = None,
        counts: ProposalCounts | None = None,
        regions_per_image: int = 512,
        min_score: float = 0.05,
        learning_rate: float = 0.02,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        warmup: int = 100,
        milestones: Sequence[int] = (6000, 8000),
        precise_batches: int = 200,
        protocols: Sequence[Protocol] = ("coco",),
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        channels_last: bool | None = None,
    ) -> None:
        super().__init__()
        # The iterations and the batch are the loader's.
        check_recipe(DetectionRecipe(1, 1, learning_rate, tuple(milestones), warmup))
        check_protocols(protocols)
        check_statistics(mean, std)
        whole("precise_batches", precise_batches, at_least=0)
        backbone = open_backbone(backbone)
        self.history = History(backbone)
        self.detector = Detector(
            backbone,
            num_classes,
            masks=masks,
            neck=neck,
            norm=norm,
            freeze_parts=freeze_parts,
            anchor_sizes=anchor_sizes,
            counts=counts,
            regions_per_image=regions_per_image,
            min_score=min_score,
        )
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.milestones = tuple(milestones)
        self.precise_batches = precise_batches
        self.protocols = tuple(protocols)
        self.channels_last = channels_last
        self.result: Evaluation | None = None
        self._evaluator: Evaluator | None = None
        self.position = RunPosition()
        self.rates = RunRates(self.position, self._rate, endless=True)
        self.draws = StepDraws()
        spec = self.detector.spec
        fixed = ("num_classes", "masks", "neck", "norm", "freeze_parts", "anchor_sizes")
        self.settings = RunSettings(
            self.free_settings(),
            {"backbone": backbone.spec, **{name: spec[name] for name in fixed}},
        )
        self.normalise = Normaliser(self.history.seen)
        asked = (("mean", mean), ("std", std))
        self._asked = {name: tuple(row) for name, row in asked if row is not None}
        self._see(**self._asked)

    @property
    def evaluation(self) -> Evaluation | None:
        """`result`, under its name of release 0.1.0."""
        warnings.warn(
            "DetectionModule.evaluation is called result now", DeprecationWarning, stacklevel=2
        )
        return self.result

    def prepare(self, images: Tensor, sizes: Tensor) -> Tensor:
        """Images as the detector takes them.

        Args:
            images: ``(B, 3, H, W)`` uint8.
            sizes: ``(B, 2)`` height and width without the padding.

        Returns:
            ``(B, 3, H, W)`` float32, normalised, zero where there is no image.
        """
        normal: Tensor = self.normalise(images, sizes)
        if self._is_channels_last(images.device):
            return normal.contiguous(memory_format=torch.channels_last)
        return normal

    def free_settings(self) -> dict[str, Any]:
        """What a resume may change; JSON values."""
        settings = ("learning_rate", "momentum", "weight_decay", "warmup", "milestones")
        regions = self.detector.spec["regions_per_image"]
        return {**chosen(self, *settings, "precise_batches"), "regions_per_image": regions}

    def setup(self, stage: str) -> None:
        check_precision(self.trainer)
        self.history.show(self)
        if self._is_channels_last(self.trainer.strategy.root_device):
            self.detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def on_fit_start(self) -> None:
        train = getattr(getattr(self.trainer, "datamodule", None), "train", None)
        if isinstance(train, ObjectSource):
            check_sets(train, truth_of(self.trainer))
        else:
            check_test(truth_of(self.trainer))

    def on_train_start(self) -> None:
        begin_course(self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        save_course(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        load_course(self, checkpoint)
        for name, row in self._asked.items():
            if row != (trained := tuple(getattr(self.history.seen, name))):
                refuse(name, f"what the checkpoint was trained with, {trained}", row)
        self._see()

    def training_step(self, batch: ObjectBatch, batch_idx: int) -> Tensor:
        self.result = None  # of weights that are no more
        images = self.prepare(batch.images, batch.sizes)
        with self.draws.at(self.global_step, self.global_rank, self.device):  # regions
            losses: dict[str, Tensor] = self.detector(images, batch.sizes, batch.objects)
        loss = torch.stack(list(losses.values())).sum()
        check_losses(losses, self.global_step, _REMEDY, batch.images)
        self.log("loss", loss.detach(), prog_bar=True, batch_size=len(images))
        self.log_dict(
            {name: value.detach() for name, value in losses.items()}, batch_size=len(images)
        )
        return loss

    def on_validation_start(self) -> None:
        self._evaluator = Evaluator(
            truth_of(self.trainer), protocols=self.protocols, masks=self.detector.spec["masks"]
        )
        self._evaluator.store.to(self.device)
        self._measure_norms()

    def validation_step(self, batch: ObjectBatch, batch_idx: int) -> None:
        assert self._evaluator is not None
        self._evaluator.update(self._detect(batch), batch)

    def on_validation_epoch_end(self) -> None:
        assert self._evaluator is not None
        if not self.trainer.sanity_checking:
            self.result = self._evaluator.compute()
            # Every process has computed the same; Lightning wants to be told to average.
            self.log_dict(self.result.headlines(), sync_dist=True, batch_size=1)
        self._evaluator = None

    def on_test_start(self) -> None:
        check_test(truth_of(self.trainer))
        self.on_validation_start()

    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def on_predict_start(self) -> None:
        self._measure_norms()

    def predict_step(self, batch: ObjectBatch, batch_idx: int) -> list[Detections]:
        detections = self._detect(batch)
        sizes = zip(batch.sizes.tolist(), batch.original_sizes.tolist(), strict=True)
        masks = self.detector.spec["masks"]
        return [
            restore(result, size, original, masks)
            for result, (size, original) in zip(detections, sizes, strict=True)
        ]

    def configure_optimizers(self) -> Any:
        others, norms = split_weights(self.detector)
        groups: list[dict[str, Any]] = [{"params": others}, {"params": norms, "weight_decay": 0.0}]
        rule: dict[str, Any] = {"lr": self.learning_rate, "momentum": self.momentum}
        optimizer = torch.optim.SGD(
            [group for group in groups if group["params"]], **rule, weight_decay=self.weight_decay
        )
        return configure_course(self, optimizer)

    def _detect(self, batch: ObjectBatch) -> list[Detections]:
        images = self.prepare(batch.images, batch.sizes)
        detections: list[Detections] = self.detector(images, batch.sizes)
        return detections

    def _rate(self, step: float, num_steps: float) -> float:
        return rate_factor(step, milestones=self.milestones, warmup=self.warmup)

    def _see(self, **changed: Any) -> None:
        self.history.seen = self.history.seen._replace(**changed)
        self.detector.backbone.input = self.history.seen
        self.normalise.follow(self.history.seen)

    def _is_channels_last(self, device: torch.device) -> bool:
        return device.type == "cuda" if self.channels_last is None else self.channels_last

    def _measure_norms(self) -> None:
        """Precise batch norm, where there are images to measure on."""
        if self.trainer.sanity_checking:
            return
        check_weights(self.detector, _REMEDY)
        if self.precise_batches:
            measure_norms(self.detector, self.trainer, self.prepare, self.precise_batches)
