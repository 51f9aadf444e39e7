"""Instance discrimination with momentum contrast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from instdisc.checkpoint import open_backbone
from instdisc.losses import ContrastiveLoss, InstanceDiscriminationLoss
from instdisc.models import Backbone
from instdisc.models.projector import ProjectorKind

from .arguments import check_arguments, run_arguments
from .objectives import Contrast, QueueDtype
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule

Version = Literal["v1", "v2"]


class MoCoModule(PretrainModule):
    """MoCo: each image against a queue of other images' keys; labels are not used.

    The augmentation belongs to the data: the policies ``moco_v1`` and ``moco_v2``.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        version: ``"v1"`` (linear projector, T 0.07, step schedule) or ``"v2"`` (MLP projector,
            T 0.2, cosine schedule); sets those of the three arguments that are ``None``.
        temperature: T.
        final_temperature: T at the end of the run, reached as a cosine; ``None``: no change.
        projector: ``"mlp"`` or ``"linear"``.
        projection_dim: width of queries and keys.
        queue_size: number of stored keys.
        queue_dtype: of the stored keys, ``"float32"`` or ``"bfloat16"``; see `FeatureQueue`.
        momentum: m of the momentum encoder.
        schedule: of the learning rate.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        He et al., "Momentum Contrast" (2020); Chen et al., "Improved Baselines with Momentum
        Contrastive Learning" (2020). Differs from them: the learning rate moves every step, and
        batch norm is shuffled in 8 groups on any number of devices. With ``temperature=0.07`` it
        is the SelfSupCon of Islam et al. (2021).

    Example:
        >>> module = MoCoModule("resnet18", queue_size=1024)
        >>> module.objectives["contrast"].loss
        InstanceDiscriminationLoss(temperature=0.2)
        >>> module.schedule
        'cosine'
    """

    loss_class: type[ContrastiveLoss] = InstanceDiscriminationLoss
    needs_labels = False

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        version: Version = "v2",
        temperature: float | None = None,
        final_temperature: float | None = None,
        projector: ProjectorKind | None = None,
        projection_dim: int = 128,
        queue_size: int = 65536,
        queue_dtype: QueueDtype = "float32",
        momentum: float = 0.999,
        final_momentum: float | None = None,
        optimizer: OptimizerName = "sgd",
        learning_rate: float = 0.03,
        weight_decay: float = 1e-4,
        final_weight_decay: float | None = None,
        decay: Decay = "all",
        sgd_momentum: float = 0.9,
        schedule: Schedule | None = None,
        warmup: float = 0.0,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = None,
        batch_norm: BatchNormMode = "shuffled",
        batch_norm_groups: int = 8,
        join_views: bool = False,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        check_arguments(MoCoModule.__init__, locals())
        backbone = open_backbone(backbone)
        defaults = _version_defaults(version)
        temperature = defaults.temperature if temperature is None else temperature
        projector = projector or defaults.projector
        schedule = schedule or defaults.schedule
        contrast = Contrast(
            backbone.dim,
            self.loss_class(temperature),
            projector=projector,
            projection_dim=projection_dim,
            queue_size=queue_size,
            queue_dtype=queue_dtype,
            momentum=momentum,
            final_temperature=final_temperature,
            needs_labels=self.needs_labels,
        )
        super().__init__(
            backbone,
            {"contrast": contrast},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])


class _Defaults(NamedTuple):
    """What a version fixes besides the augmentation."""

    temperature: float
    projector: ProjectorKind
    schedule: Schedule


def _version_defaults(version: Version) -> _Defaults:
    defaults = {
        "v1": _Defaults(0.07, "linear", "step"),
        "v2": _Defaults(0.2, "mlp", "cosine"),
    }
    return defaults[version]
