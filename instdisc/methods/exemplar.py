"""Exemplar-based supervised pretraining."""

from __future__ import annotations

from collections.abc import Sequence

from instdisc.losses import ExemplarLoss
from instdisc.models import Backbone, as_backbone
from instdisc.models.projector import ProjectorKind

from .moco import Version, version_defaults
from .objectives import Contrast
from .optimizer import OptimizerName
from .pretrain import BatchNormMode, PretrainModule
from .schedule import Schedule


class ExemplarModule(PretrainModule):
    """MoCo in which stored keys of the query's own class are neither positive nor negative.

    Args:
        backbone: a timm name or a `Backbone`.
        version: ``"v1"`` or ``"v2"``; as in `MoCoModule`.
        temperature: T.
        projector: ``"mlp"`` or ``"linear"``.
        projection_dim: width of queries and keys.
        queue_size: number of stored keys.
        momentum: m of the momentum encoder.
        schedule: of the learning rate.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Zhao et al., "What Makes Instance Discrimination Good for Transfer Learning?" (2021).
        Differs from it as `MoCoModule` does from MoCo.

    Example:
        >>> ExemplarModule("resnet18", version="v1", queue_size=1024).objectives["contrast"].loss
        ExemplarLoss(temperature=0.07)
    """

    def __init__(
        self,
        backbone: str | Backbone = "resnet50",
        *,
        version: Version = "v2",
        temperature: float | None = None,
        projector: ProjectorKind | None = None,
        projection_dim: int = 128,
        queue_size: int = 65536,
        momentum: float = 0.999,
        optimizer: OptimizerName = "sgd",
        learning_rate: float = 0.03,
        weight_decay: float = 1e-4,
        sgd_momentum: float = 0.9,
        schedule: Schedule | None = None,
        warmup: float = 0.0,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = None,
        batch_norm: BatchNormMode = "shuffled",
        batch_norm_groups: int = 8,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        backbone = as_backbone(backbone)
        defaults = version_defaults(version)
        temperature = defaults.temperature if temperature is None else temperature
        projector = projector or defaults.projector
        schedule = schedule or defaults.schedule
        contrast = Contrast(
            backbone.dim,
            ExemplarLoss(temperature),
            projector=projector,
            projection_dim=projection_dim,
            queue_size=queue_size,
            momentum=momentum,
            needs_labels=True,
        )
        super().__init__(
            backbone,
            {"contrast": contrast},
            momentum=momentum,
            optimizer=optimizer,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            sgd_momentum=sgd_momentum,
            schedule=schedule,
            warmup=warmup,
            milestones=milestones,
            reference_batch=reference_batch,
            batch_norm=batch_norm,
            batch_norm_groups=batch_norm_groups,
            channels_last=channels_last,
            compile=compile,
        )
        self.save_hyperparameters(ignore=["backbone"])
