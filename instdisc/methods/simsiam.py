"""Prediction of the other view's own projection, without negatives and without momentum."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from instdisc.checkpoint import open_backbone
from instdisc.models import MLP, Backbone

from .arguments import check_arguments, run_arguments
from .objectives import CosinePrediction
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class SimSiamModule(PretrainModule):
    r"""SimSiam: each of two views predicts the projection of the other, which gets no gradient.

    There are no negatives and no momentum encoder, and labels are not used. The loss lies in
    [-1, 1] and begins near 0; `CosinePrediction` has its formula. A run whose loss falls to -1 at
    once, and the statistic ``spread`` to 0, has collapsed.

    The defaults are those of 100 epochs on ImageNet. For CIFAR-10 ``projector_layers=2``,
    ``learning_rate=0.03`` and ``weight_decay=5e-4`` are in use.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        projection_dim: width of projections and predictions, and of the projector's hidden layers.
        projector_layers: linear layers of the projector.
        bottleneck_dim: width of the hidden layer of the predictor.
        fixed_predictor_rate: let the predictor's learning rate stay at its base.
        learning_rate: base rate, for `reference_batch` images.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Chen and He, "Exploring Simple Siamese Representation Learning" (2021), and its code.
        Differs from it: the learning rate moves every step instead of every epoch; the last layer
        of the projector has no frozen bias, which the batch norm after it would take out.

    Example:
        >>> module = SimSiamModule("test_resnet", projection_dim=32, bottleneck_dim=8)
        >>> module.objectives["prediction"].predictor.widths, module.momentum_backbone
        ((8, 32), None)
    """

    policy = "simsiam"

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        projection_dim: int = 2048,
        projector_layers: int = 3,
        bottleneck_dim: int = 512,
        fixed_predictor_rate: bool = True,
        optimizer: OptimizerName = "sgd",
        learning_rate: float = 0.05,
        weight_decay: float = 1e-4,
        final_weight_decay: float | None = None,
        decay: Decay = "all",
        sgd_momentum: float = 0.9,
        schedule: Schedule = "cosine",
        warmup: float = 0.0,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = 256,
        batch_norm: BatchNormMode = "sync",
        batch_norm_groups: int = 8,
        join_views: bool = False,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        check_arguments(SimSiamModule.__init__, locals())
        backbone = open_backbone(backbone)
        prediction = CosinePrediction(
            MLP(backbone.dim, (projection_dim,) * projector_layers, last_norm="plain"),
            MLP(projection_dim, (bottleneck_dim, projection_dim)),
            momentum=None,
            fixed_predictor_rate=fixed_predictor_rate,
        )
        super().__init__(
            backbone,
            {"prediction": prediction},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])
