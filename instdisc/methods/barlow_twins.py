"""Barlow Twins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from instdisc.checkpoint import open_backbone
from instdisc.models import MLP, Backbone

from .arguments import check_arguments, run_arguments
from .objectives import BarlowTwins, ParameterOptions
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class BarlowTwinsModule(PretrainModule):
    """Each output of the projector agrees between two views and is correlated with no other.

    No negatives, no momentum encoder; labels are not used. For small runs a projector of width
    2048 is usual.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        hidden_dim: width of the projector's two hidden layers.
        projection_dim: width of its output.
        redundancy_weight: of the correlations of different outputs.
        bias_rate: by what the learning rate of biases and norms is multiplied; 0.024 makes the
            0.0048 of the paper of 0.2.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Zbontar et al., "Barlow Twins" (2021), and its code: LARS, learning rate 0.2 per 256
        images, 10 of 1000 epochs warm-up, batches of 2048 images. Differs from it: the warm-up
        begins at 1 % and the cosine ends at 0 instead of 0.1 %; see also `barlow_twins_loss`. As
        the gradient there is 1/W of the true one on W processes, which LARS evens out for weights
        alone, biases and norms move W times as far here; divide `bias_rate` by W to follow such a
        run.

    Example:
        >>> module = BarlowTwinsModule("test_resnet", hidden_dim=64, projection_dim=64)
        >>> module.objectives["barlow_twins"].redundancy_weight
        0.0051
    """

    policy = "barlow_twins"

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        hidden_dim: int = 8192,
        projection_dim: int = 8192,
        redundancy_weight: float = 0.0051,
        bias_rate: float = 0.024,
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
        check_arguments(BarlowTwinsModule.__init__, locals())
        backbone = open_backbone(backbone)
        term = BarlowTwins(
            MLP(backbone.dim, (hidden_dim, hidden_dim, projection_dim), last_bias=False),
            redundancy_weight=redundancy_weight,
        )
        super().__init__(backbone, {"barlow_twins": term}, **run_arguments(locals()))
        self.bias_rate = bias_rate
        self.save_hyperparameters(ignore=["backbone"])

    def parameter_options(self, name: str, parameter: nn.Parameter) -> ParameterOptions:
        options = super().parameter_options(name, parameter)
        return options._replace(rate=self.bias_rate) if parameter.ndim <= 1 else options
