"""Supervised contrast with a momentum queue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from instdisc.checkpoint import open_backbone
from instdisc.losses import SupConLoss
from instdisc.models import Backbone
from instdisc.models.projector import ProjectorKind

from .arguments import check_arguments, run_arguments
from .objectives import Contrast, QueueDtype
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class SupConModule(PretrainModule):
    """Each image against a queue in which the keys of its class are positives.

    The keys of the batch are enqueued before the loss is computed, so an image's own key is among
    its positives, and positives and negatives come from the queue alone.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        temperature: T.
        final_temperature: T at the end of the run, reached as a cosine; ``None``: no change.
        projector: ``"mlp"`` or ``"linear"``.
        projection_dim: width of queries and keys.
        queue_size: number of stored keys.
        queue_dtype: of the stored keys, ``"float32"`` or ``"bfloat16"``; see `FeatureQueue`.
        momentum: m of the momentum encoder.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Islam et al., "A Broad Study on the Transferability of Visual Representations with
        Contrastive Learning" (2021), and its code: learning rate 0.02 per 64 images, 5 of 400
        epochs warm-up, 64,000 keys. Differs from it: see `SupConLoss` and
        `learning_rate_factor`.

    Example:
        >>> SupConModule("resnet18", queue_size=1024).objectives["supcon"].enqueue_first
        True
    """

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        temperature: float = 0.07,
        final_temperature: float | None = None,
        projector: ProjectorKind = "mlp",
        projection_dim: int = 128,
        queue_size: int = 64000,
        queue_dtype: QueueDtype = "float32",
        momentum: float = 0.999,
        final_momentum: float | None = None,
        optimizer: OptimizerName = "sgd",
        learning_rate: float = 0.02,
        weight_decay: float = 1e-4,
        final_weight_decay: float | None = None,
        decay: Decay = "all",
        sgd_momentum: float = 0.9,
        schedule: Schedule = "cosine",
        warmup: float = 0.0125,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = 64,
        batch_norm: BatchNormMode = "shuffled",
        batch_norm_groups: int = 8,
        join_views: bool = False,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        check_arguments(SupConModule.__init__, locals())
        backbone = open_backbone(backbone)
        supcon = Contrast(
            backbone.dim,
            SupConLoss(temperature),
            projector=projector,
            projection_dim=projection_dim,
            queue_size=queue_size,
            queue_dtype=queue_dtype,
            momentum=momentum,
            final_temperature=final_temperature,
            enqueue_first=True,
            needs_labels=True,
        )
        super().__init__(
            backbone,
            {"supcon": supcon},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])
