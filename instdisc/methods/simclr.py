"""Instance discrimination within a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from instdisc.checkpoint import open_backbone
from instdisc.losses import ContrastiveLoss, InstanceDiscriminationLoss
from instdisc.models import MLP, Backbone

from .arguments import check_arguments, run_arguments
from .objectives import InBatchContrast
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class SimCLRModule(PretrainModule):
    """SimCLR: each view against the other views of its image and all other images of the batch.

    There is no momentum encoder and no queue: the negatives are the other images of the global
    batch, so the batch must be large (4096 in the paper). Labels are not used. The views pass
    backbone and projector in one batch, so that batch norm has statistics of them all.

    The start value of the loss, before the views can be told apart, is ln(2N - 1) for a global
    batch of N images and two views.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        temperature: T.
        num_views: V, at least 2; with more than two each view has V - 1 positives.
        hidden_dim: width of the projector's hidden layer; ``None``: that of the features.
        projection_dim: D, width of the projections.
        join_views: as for `PretrainModule`, and for the projector too.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations"
        (2020), and its code: LARS, learning rate 0.3 per 256 images, weight decay 1e-4 on weights
        alone, warm-up in 10 of 100 epochs, T = 0.1. The paper's text has a weight decay of 1e-6;
        1e-4 is that of the command that its code gives. Differs from it: the code adds up the
        losses of the two directions, this is their mean, which under LARS halves the steps of
        biases and norms alone; the trust ratio is that of timm's LARS, which divides by
        ``|g| + wd |w|`` where the code divides by ``|g + wd w|``, and the rate multiplies the
        momentum instead of standing in it; the warm-up begins at 1 % of the rate. For smaller
        batches the authors offer a rate of 0.075 sqrt(N), which is the same at N = 4096.

    Example:
        >>> module = SimCLRModule("resnet18", num_views=3)
        >>> module.objectives["contrast"].queries
        (0, 1, 2)
        >>> module.objectives["contrast"].projector.widths
        (512, 128)
    """

    policy = "simclr"
    loss_class: type[ContrastiveLoss] = InstanceDiscriminationLoss
    needs_labels = False

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        temperature: float = 0.1,
        num_views: int = 2,
        hidden_dim: int | None = None,
        projection_dim: int = 128,
        optimizer: OptimizerName = "lars",
        learning_rate: float = 0.3,
        weight_decay: float = 1e-4,
        final_weight_decay: float | None = None,
        decay: Decay = "weights",
        sgd_momentum: float = 0.9,
        schedule: Schedule = "cosine",
        warmup: float = 0.1,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = 256,
        batch_norm: BatchNormMode = "sync",
        batch_norm_groups: int = 8,
        join_views: bool = True,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        check_arguments(SimCLRModule.__init__, locals())
        backbone = open_backbone(backbone)
        widths = (backbone.dim if hidden_dim is None else hidden_dim, projection_dim)
        contrast = InBatchContrast(
            MLP(backbone.dim, widths, last_norm="scale"),
            self.loss_class(temperature),
            num_views=num_views,
            join_views=join_views,
            needs_labels=self.needs_labels,
        )
        super().__init__(
            backbone,
            {"contrast": contrast},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])
