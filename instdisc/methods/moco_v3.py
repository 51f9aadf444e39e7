"""Instance discrimination of predictions within a batch, with a momentum encoder and no queue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from timm.models.vision_transformer import VisionTransformer
from torch import nn

from instdisc.checkpoint import open_backbone
from instdisc.losses import ContrastiveLoss, InstanceDiscriminationLoss
from instdisc.models import MLP, Backbone, freeze_patch_projection
from instdisc.models.mlp import LastNorm
from instdisc.models.norm_forms import has_batch_norm

from .arguments import check_arguments, run_arguments
from .objectives import PredictedContrast
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class MoCoV3Module(PretrainModule):
    """MoCo v3: each of two views predicts the other's key, among the keys of the whole batch.

    There is no queue: the negatives are the keys of the other images of the global batch, so the
    batch must be large (4096 in the paper). Labels are not used. The loss begins near 4 T ln N for
    a global batch of N images; `PredictedContrast` has its formula. The augmentation belongs to the
    data: the first view is always blurred and the second solarised at times.

    The paper has one recipe for ResNets and one for ViTs. A backbone without batch norm gets that
    of ViTs, any other that of ResNets; they set those arguments that are ``None``, and the heads:
    with ViTs the projector has three layers instead of two, and batch norm follows the predictor.
    Both are those of 300 epochs; for ResNets the paper has a rate of 0.6 in 100 epochs, and a
    momentum of 0.996 and a weight decay of 1.5e-6 in 1000.

    The position embedding of a ViT is fixed and its projection of patches frozen, in the backbone
    that is given, too; see `instdisc.models.freeze_patch_projection`. The weights of one that was
    never trained are drawn anew as in the paper, unless it is frozen already.

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`. The paper's ViT-S has 12 heads:
            ``Backbone("vit_small_patch16_224", num_heads=12)``.
        temperature: T; ``None``: 1.0 (ResNets) or 0.2 (ViTs).
        hidden_dim: width of the hidden layers of projector and predictor.
        projection_dim: width of projections and predictions.
        momentum: m of the momentum encoder at the start.
        final_momentum: m at the end of the run, reached as a cosine; ``None``: no change.
        freeze_patch_projection: ``None``: whether the backbone is a `VisionTransformer` of timm.
            ``False`` trains all weights, from those that it has.
        optimizer: ``None``: ``"lars"`` or ``"adamw"``.
        learning_rate: base rate, for `reference_batch` images; ``None``: 0.3 or 1.5e-4.
        weight_decay: ``None``: 1e-6 or 0.1.
        decay: ``None``: ``"weights"`` or ``"all"``.
        warmup: share of the run; ``None``: that of 10 or 40 of 300 epochs.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Source:
        Chen et al., "An Empirical Study of Training Self-Supervised Vision Transformers" (2021),
        and its code. Differs from it: the momentum encoder moves after the step instead of within
        the next; the warm-up begins at 1 % of the rate instead of 0; the trust ratio of LARS has
        :math:`|g| + w |p|` in the denominator, with the weight decay w, instead of
        :math:`|g + w p|`.

    Example:
        >>> small = {"hidden_dim": 64, "projection_dim": 16}
        >>> resnet, vit = MoCoV3Module("test_resnet", **small), MoCoV3Module("test_vit", **small)
        >>> resnet.optimizer_name, vit.optimizer_name
        ('lars', 'adamw')
        >>> vit.objectives["contrast"].loss
        InstanceDiscriminationLoss(temperature=0.2)
        >>> vit.backbone.net.patch_embed.proj.weight.requires_grad
        False
    """

    policy = "moco_v3_resnet"
    loss_class: type[ContrastiveLoss] = InstanceDiscriminationLoss
    needs_labels = False

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        temperature: float | None = None,
        hidden_dim: int = 4096,
        projection_dim: int = 256,
        momentum: float = 0.99,
        final_momentum: float | None = 1.0,
        freeze_patch_projection: bool | None = None,
        optimizer: OptimizerName | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        final_weight_decay: float | None = None,
        decay: Decay | None = None,
        sgd_momentum: float = 0.9,
        schedule: Schedule = "cosine",
        warmup: float | None = None,
        milestones: Sequence[float] = (0.6, 0.8),
        reference_batch: int | None = 256,
        batch_norm: BatchNormMode = "sync",
        batch_norm_groups: int = 8,
        join_views: bool = False,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        check_arguments(MoCoV3Module.__init__, locals())
        backbone = open_backbone(backbone)
        if freeze_patch_projection is None:
            freeze_patch_projection = isinstance(backbone.net, VisionTransformer)
        if freeze_patch_projection:
            _freeze(backbone)
        defaults = _RESNET if has_batch_norm(backbone) else _VIT
        temperature = defaults.temperature if temperature is None else temperature
        optimizer = optimizer or defaults.optimizer
        learning_rate = defaults.learning_rate if learning_rate is None else learning_rate
        weight_decay = defaults.weight_decay if weight_decay is None else weight_decay
        decay = decay or defaults.decay
        warmup = defaults.warmup if warmup is None else warmup
        hidden = (hidden_dim,) * defaults.hidden_layers
        contrast = PredictedContrast(
            MLP(backbone.dim, (*hidden, projection_dim), last_norm="plain"),
            MLP(
                projection_dim,
                (hidden_dim, projection_dim),
                last_norm=defaults.predictor_norm,
                last_bias=False,
            ),
            loss=self.loss_class(temperature),
            momentum=momentum,
            needs_labels=self.needs_labels,
        )
        super().__init__(
            backbone,
            {"contrast": contrast},
            **run_arguments(locals()),
        )
        self.save_hyperparameters(ignore=["backbone"])


class _Defaults(NamedTuple):
    """What the kind of backbone fixes besides the augmentation."""

    temperature: float
    optimizer: OptimizerName
    learning_rate: float
    weight_decay: float
    decay: Decay
    warmup: float
    hidden_layers: int  # of the projector
    predictor_norm: LastNorm


_RESNET = _Defaults(1.0, "lars", 0.3, 1e-6, "weights", 10 / 300, 1, "none")
_VIT = _Defaults(0.2, "adamw", 1.5e-4, 0.1, "all", 40 / 300, 2, "plain")


def _freeze(backbone: Backbone) -> None:
    net = backbone.net
    if isinstance(net, VisionTransformer) and not net.patch_embed.proj.weight.requires_grad:
        return  # with the weights that it was to have
    freeze_patch_projection(backbone, initialize=_is_untrained(backbone))


def _is_untrained(backbone: Backbone) -> bool:
    """Whether the scales of all norms are still 1, as they no longer are after a step.

    Weights do not tell where they come from.
    """
    norms = [part for part in backbone.modules() if "Norm" in type(part).__name__]
    weights = [getattr(part, "weight", None) for part in norms]
    scales = [weight for weight in weights if isinstance(weight, nn.Parameter)]
    return bool(scales) and all(bool((scale == 1).all()) for scale in scales)
