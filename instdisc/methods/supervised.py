"""Supervised pretraining with cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from instdisc.checkpoint import open_backbone
from instdisc.models import Backbone

from .arguments import check_arguments, run_arguments
from .objectives import Classification
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class SupervisedModule(PretrainModule):
    """Softmax cross-entropy on one view or on both.

    The augmentation belongs to the data: ``islam_weak`` (crop and flip) or ``moco_v2``.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        num_classes: number of classes.
        both_views: classify two views of each image instead of one.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        The supervised baselines of Zhao et al. (2021) and Islam et al. (2021). Zhao et al. do not
        state their schedule: ours is the usual rate of 0.1 at a batch of 256, falling as a cosine.
        Of two views each is normalised by its own statistics.

    Example:
        >>> SupervisedModule("resnet18", num_classes=10).objectives["classes"].classifier
        Linear(in_features=512, out_features=10, bias=True)
    """

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        num_classes: int = 1000,
        both_views: bool = False,
        optimizer: OptimizerName = "sgd",
        learning_rate: float = 0.1,
        weight_decay: float = 1e-4,
        final_weight_decay: float | None = None,
        decay: Decay = "all",
        sgd_momentum: float = 0.9,
        schedule: Schedule = "cosine",
        warmup: float = 0.0,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = None,
        batch_norm: BatchNormMode = "plain",
        batch_norm_groups: int = 8,
        join_views: bool = False,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        check_arguments(SupervisedModule.__init__, locals())
        backbone = open_backbone(backbone)
        super().__init__(
            backbone,
            {"classes": Classification(backbone.dim, num_classes, both_views=both_views)},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])
