"""Prediction of a momentum encoder's projections, without negatives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from instdisc.checkpoint import open_backbone
from instdisc.models import MLP, Backbone

from .arguments import check_arguments, run_arguments
from .objectives import Prediction
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class BYOLModule(PretrainModule):
    """BYOL: each of two views predicts what the momentum encoder makes of the other.

    There are no negatives, and labels are not used. The loss of an image lies in [0, 8] and begins
    near 4; `Prediction` has its formula. The augmentation belongs to the data: the first view is
    always blurred and the second solarised at times.

    The defaults are those of 1000 epochs with a batch of 4096. For 300, 100 and 40 epochs the paper
    has learning rates 0.3, 0.45 and 0.45, momenta 0.99, 0.99 and 0.97, weight decay 1e-6, and 10
    epochs of warm-up each.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        hidden_dim: width of the hidden layer of projector and predictor.
        projection_dim: width of projections and predictions.
        momentum: m of the momentum encoder at the start.
        final_momentum: m at the end of the run, reached as a cosine; ``None``: no change.
        learning_rate: base rate, for `reference_batch` images.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Grill et al., "Bootstrap Your Own Latent" (2020), and its code. Differs from it: the
        momentum encoder begins as a copy of the encoder instead of with other random weights; the
        warm-up begins at 1 % of the rate instead of 0; the trust ratio of LARS has
        :math:`|g| + w |p|` in the denominator, with the weight decay w, instead of
        :math:`|g + w p|`; no linear classifier is trained beside.

    Example:
        >>> module = BYOLModule("test_resnet", hidden_dim=64, projection_dim=16)
        >>> module.objectives["prediction"].keys, module.final_momentum
        ((0, 1), 1.0)
    """

    policy = "byol"

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        hidden_dim: int = 4096,
        projection_dim: int = 256,
        momentum: float = 0.996,
        final_momentum: float | None = 1.0,
        optimizer: OptimizerName = "lars",
        learning_rate: float = 0.2,
        weight_decay: float = 1.5e-6,
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
        check_arguments(BYOLModule.__init__, locals())
        backbone = open_backbone(backbone)
        widths = hidden_dim, projection_dim
        prediction = Prediction(
            MLP(backbone.dim, widths, bias=True, last_bias=False),
            MLP(projection_dim, widths, bias=True, last_bias=False),
            momentum=momentum,
        )
        super().__init__(
            backbone,
            {"prediction": prediction},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])
