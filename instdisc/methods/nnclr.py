"""Contrast with nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from instdisc.checkpoint import open_backbone
from instdisc.models import MLP, Backbone

from .arguments import check_arguments, run_arguments
from .objectives import NeighbourContrast
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class NNCLRModule(PretrainModule):
    """NNCLR: each view is matched with the nearest neighbour of the other among earlier images.

    The positive of an image is another image that the network finds similar, from a queue of
    projections; `NeighbourContrast` has the formula. Labels are not used. Where the images have
    classes, the statistic ``same_class`` tells how often the neighbour is of the image's class.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        temperature: T.
        hidden_dim: width of the two hidden layers of the projector.
        projection_dim: D, width of projections and predictions.
        predictor_dim: width of the hidden layer of the predictor.
        queue_size: number of stored projections.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Dwibedi et al., "With a Little Help from My Friends: Nearest-Neighbor Contrastive Learning
        of Visual Representations" (2021): LARS, learning rate 0.3 per 256 images, weight decay
        1e-6, 10 of 1000 epochs warm-up, 98,304 projections, T = 0.1. The authors published no code
        that we know of, and these numbers have not been checked against their text. The heads, that
        the predictions alone have a gradient, and what enters the queue are as in solo-learn.
        Differs from it: see `NeighbourContrast`; the warm-up begins at 1 % of the rate; the trust
        ratio is that of timm's LARS, which divides by ``|g| + wd |w|``.

    Example:
        >>> module = NNCLRModule("resnet18", queue_size=1024)
        >>> module.objectives["neighbour"].projector.widths
        (2048, 2048, 256)
    """

    policy = "nnclr"

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        temperature: float = 0.1,
        hidden_dim: int = 2048,
        projection_dim: int = 256,
        predictor_dim: int = 4096,
        queue_size: int = 98304,
        optimizer: OptimizerName = "lars",
        learning_rate: float = 0.3,
        weight_decay: float = 1e-6,
        final_weight_decay: float | None = None,
        decay: Decay = "weights",
        sgd_momentum: float = 0.9,
        schedule: Schedule = "cosine",
        warmup: float = 0.01,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = 256,
        batch_norm: BatchNormMode = "sync",
        batch_norm_groups: int = 8,
        join_views: bool = False,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        check_arguments(NNCLRModule.__init__, locals())
        backbone = open_backbone(backbone)
        widths = hidden_dim, hidden_dim, projection_dim
        neighbour = NeighbourContrast(
            MLP(backbone.dim, widths, last_norm="affine"),
            MLP(projection_dim, (predictor_dim, projection_dim)),
            temperature=temperature,
            queue_size=queue_size,
        )
        super().__init__(
            backbone,
            {"neighbour": neighbour},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])
