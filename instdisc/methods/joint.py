"""The joint objectives: two terms on one backbone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from instdisc.checkpoint import open_backbone
from instdisc.losses import InstanceDiscriminationLoss, SameClassNegativesLoss, SupConLoss
from instdisc.models import Backbone

from .arguments import check_arguments, run_arguments
from .objectives import Classification, Contrast, QueueDtype
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class CrossEntropyMoCoModule(PretrainModule):
    """Cross-entropy plus instance discrimination (CE+SelfSupCon).

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        num_classes: number of classes.
        both_views: let the classifier see both views.
        contrast_weight: of the contrastive term; 0.5 on ImageNet, 2 on mini-ImageNet.
        negatives: ``"all"`` stored keys repel, or only those of the ``"same_class"``.
        temperature: T.
        final_temperature: T at the end of the run, reached as a cosine; ``None``: no change.
        projection_dim: width of queries and keys.
        queue_size: number of stored keys.
        queue_dtype: of the stored keys, ``"float32"`` or ``"bfloat16"``; see `FeatureQueue`.
        momentum: m of the momentum encoder.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Islam et al. (2021) and its code (`base_plus_moco`, `_two`, `_intra`).

    Example:
        >>> module = CrossEntropyMoCoModule("resnet18", num_classes=10, queue_size=1024)
        >>> {name: term.weight for name, term in module.objectives.items()}
        {'classes': 1.0, 'contrast': 0.5}
    """

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        num_classes: int = 1000,
        both_views: bool = False,
        contrast_weight: float = 0.5,
        negatives: Literal["all", "same_class"] = "all",
        temperature: float = 0.07,
        final_temperature: float | None = None,
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
        check_arguments(CrossEntropyMoCoModule.__init__, locals())
        backbone = open_backbone(backbone)
        loss = InstanceDiscriminationLoss if negatives == "all" else SameClassNegativesLoss
        contrast = Contrast(
            backbone.dim,
            loss(temperature),
            projection_dim=projection_dim,
            queue_size=queue_size,
            queue_dtype=queue_dtype,
            momentum=momentum,
            final_temperature=final_temperature,
            weight=contrast_weight,
        )
        classes = Classification(backbone.dim, num_classes, both_views=both_views)
        super().__init__(
            backbone,
            {"classes": classes, "contrast": contrast},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])


class CrossEntropySupConModule(PretrainModule):
    """Cross-entropy plus supervised contrast (CE+SupCon).

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        num_classes: number of classes.
        supcon_weight: of the contrastive term.
        temperature: T.
        final_temperature: T at the end of the run, reached as a cosine; ``None``: no change.
        projection_dim: width of queries and keys.
        queue_size: number of stored keys.
        queue_dtype: of the stored keys, ``"float32"`` or ``"bfloat16"``; see `FeatureQueue`.
        momentum: m of the momentum encoder.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        The released code of Islam et al. (2021), `base_plus_mit`; not a row of the paper.

    Example:
        >>> module = CrossEntropySupConModule("resnet18", num_classes=10, queue_size=1024)
        >>> {name: term.weight for name, term in module.objectives.items()}
        {'classes': 1.0, 'supcon': 0.2}
    """

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        num_classes: int = 1000,
        supcon_weight: float = 0.2,
        temperature: float = 0.07,
        final_temperature: float | None = None,
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
        check_arguments(CrossEntropySupConModule.__init__, locals())
        backbone = open_backbone(backbone)
        supcon = Contrast(
            backbone.dim,
            SupConLoss(temperature),
            projection_dim=projection_dim,
            queue_size=queue_size,
            queue_dtype=queue_dtype,
            momentum=momentum,
            final_temperature=final_temperature,
            enqueue_first=True,
            needs_labels=True,
            weight=supcon_weight,
        )
        super().__init__(
            backbone,
            {"classes": Classification(backbone.dim, num_classes), "supcon": supcon},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])


class SupConMoCoModule(PretrainModule):
    """Supervised contrast plus instance discrimination (SupCon+SelfSupCon), each with its head.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        contrast_weight: of the self-supervised term; 0.5 on ImageNet, 1 on mini-ImageNet.
        supcon_weight: of the supervised term.
        temperature: T of both terms.
        final_temperature: T at the end of the run, reached as a cosine; ``None``: no change.
        projection_dim: width of queries and keys.
        queue_size: number of stored keys of each term.
        queue_dtype: of the stored keys, ``"float32"`` or ``"bfloat16"``; see `FeatureQueue`.
        momentum: m of the momentum encoder.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Islam et al. (2021) and its code (`supervised_mean2`), which keeps the two queues as
        halves of one.

    Example:
        >>> module = SupConMoCoModule("resnet18", queue_size=1024)
        >>> {name: term.weight for name, term in module.objectives.items()}
        {'contrast': 0.5, 'supcon': 1.0}
    """

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        contrast_weight: float = 0.5,
        supcon_weight: float = 1.0,
        temperature: float = 0.07,
        final_temperature: float | None = None,
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
        check_arguments(SupConMoCoModule.__init__, locals())
        backbone = open_backbone(backbone)
        contrast = Contrast(
            backbone.dim,
            InstanceDiscriminationLoss(temperature),
            projection_dim=projection_dim,
            queue_size=queue_size,
            queue_dtype=queue_dtype,
            momentum=momentum,
            final_temperature=final_temperature,
            weight=contrast_weight,
        )
        supcon = Contrast(
            backbone.dim,
            SupConLoss(temperature),
            projection_dim=projection_dim,
            queue_size=queue_size,
            queue_dtype=queue_dtype,
            momentum=momentum,
            final_temperature=final_temperature,
            enqueue_first=True,
            needs_labels=True,
            weight=supcon_weight,
        )
        super().__init__(
            backbone,
            {"contrast": contrast, "supcon": supcon},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])
