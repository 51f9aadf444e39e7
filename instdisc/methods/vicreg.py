"""VICReg."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from instdisc.checkpoint import open_backbone
from instdisc.models import MLP, Backbone

from .arguments import check_arguments, run_arguments
from .objectives import VICReg
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class VICRegModule(PretrainModule):
    """Two views agree, while each output of the projector varies and no two vary together.

    No negatives, no momentum encoder; labels are not used. For small runs a projector of width
    2048 is usual.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        hidden_dim: width of the projector's two hidden layers.
        projection_dim: width of its output.
        invariance_weight: of the squared difference of the views.
        variance_weight: of what the standard deviations lack of 1.
        covariance_weight: of the covariances of different outputs.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Bardes et al., "VICReg" (2022), and its code: LARS, learning rate 0.2 per 256 images, 10
        of 1000 epochs warm-up, batches of 2048 images. Differs from it: the warm-up begins at 1 %
        and the cosine ends at 0 instead of 0.1 %; see also `vicreg_loss`.

    Example:
        >>> module = VICRegModule("test_resnet", hidden_dim=64, projection_dim=64)
        >>> module.objectives["vicreg"].invariance_weight
        25.0
    """

    policy = "vicreg"

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        hidden_dim: int = 8192,
        projection_dim: int = 8192,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
        optimizer: OptimizerName = "lars",
        learning_rate: float = 0.2,
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
        check_arguments(VICRegModule.__init__, locals())
        backbone = open_backbone(backbone)
        term = VICReg(
            MLP(backbone.dim, (hidden_dim, hidden_dim, projection_dim), bias=True, last_bias=False),
            invariance_weight=invariance_weight,
            variance_weight=variance_weight,
            covariance_weight=covariance_weight,
        )
        super().__init__(backbone, {"vicreg": term}, **run_arguments(locals()))
        self.save_hyperparameters(ignore=["backbone"])
