"""Supervised contrast within a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from instdisc.checkpoint import open_backbone
from instdisc.losses import SupConLoss
from instdisc.models import Backbone, Projector
from instdisc.models.projector import ProjectorKind

from .arguments import check_arguments, run_arguments
from .objectives import InBatchContrast
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class InBatchSupConModule(PretrainModule):
    """Each view against all others of the batch, in which those of its class are positives.

    Supervised contrast as it was first published, without a queue: `SupConModule` has one. The mean
    over the positives stands outside the logarithm. Every image needs a class; with all classes
    different it is the loss of SimCLR.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        temperature: T.
        num_views: V, at least 2.
        projector: ``"mlp"`` or ``"linear"``.
        projection_dim: D, width of the projections.
        learning_rate: for a batch of `reference_batch` images; see Source.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Khosla et al., "Supervised Contrastive Learning" (2020), and its code's command for CIFAR:
        SGD, learning rate 0.5 at 1024 images, weight decay 1e-4, 10 of 1000 epochs warm-up,
        T = 0.1. Differs from it: the code multiplies the loss by T / 0.07, this does not. So the
        rate is 0.5 x 0.1 / 0.07 = 0.714 and the weight decay 1e-4 x 0.07 / 0.1 = 7e-5, which makes
        the same steps; at another T the code's steps are those of other values. The rate is scaled
        by the batch, where the code names one for each; batch norm has statistics of all processes
        instead of each device's; the warm-up begins at 1 % of the rate instead of 2 %, and the
        cosine ends at 0 instead of 0.1 %.

    Example:
        >>> InBatchSupConModule("resnet18").objectives["supcon"].loss
        SupConLoss(temperature=0.1)
    """

    policy = "supcon_cifar"

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        temperature: float = 0.1,
        num_views: int = 2,
        projector: ProjectorKind = "mlp",
        projection_dim: int = 128,
        optimizer: OptimizerName = "sgd",
        learning_rate: float = 0.714,
        weight_decay: float = 7e-5,
        final_weight_decay: float | None = None,
        decay: Decay = "all",
        sgd_momentum: float = 0.9,
        schedule: Schedule = "cosine",
        warmup: float = 0.01,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = 1024,
        batch_norm: BatchNormMode = "sync",
        batch_norm_groups: int = 8,
        join_views: bool = True,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        check_arguments(InBatchSupConModule.__init__, locals())
        backbone = open_backbone(backbone)
        supcon = InBatchContrast(
            Projector(backbone.dim, projection_dim, kind=projector),
            SupConLoss(temperature),
            num_views=num_views,
            join_views=join_views,
            needs_labels=True,
        )
        super().__init__(
            backbone,
            {"supcon": supcon},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])
