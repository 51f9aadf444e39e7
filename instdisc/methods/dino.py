"""Self-distillation with a momentum teacher and many small views."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import timm.layers
import torch
from torch import nn

from instdisc.checkpoint import open_backbone
from instdisc.checks import refuse
from instdisc.models import Backbone
from instdisc.models.identity import fixed_size
from instdisc.models.norm_forms import has_batch_norm

from .arguments import check_arguments, run_arguments
from .objectives import SelfDistillation
from .pretrain import PretrainModule
from .training.batch_norm import BatchNormMode
from .training.clipping import clip_each
from .training.optimizer import OptimizerName
from .training.parameter_groups import Decay
from .training.schedule import Schedule


class DINOModule(PretrainModule):
    """DINO: the views of an image are to agree with what a slow teacher says of its large views.

    The first two views are large and seen by student and teacher, the others by the student alone,
    all views of a size in one pass. The augmentation belongs to the data: the views ``dino`` and,
    for residual networks, ``dino_resnet``.

    A backbone may drop paths (``Backbone(name, drop_path_rate=0.1)``, the paper's for vision
    transformers): the student's are dropped, the teacher's never. A vision transformer that is to
    see two sizes of images needs ``dynamic_img_size=True``, which a plain timm name gets of itself.

    Whether it learns, and how it collapses, is told by the statistics of `SelfDistillation`. On a
    small data set fewer prototypes (2048 to 8192) suffice, and a lower `momentum` (0.99).

    Args:
        backbone: what to train: a `Backbone`, a file as a warm start, or a timm name; see
            `PretrainModule`.
        num_views: of each image, two of them large.
        hidden_dim: of the two hidden layers of the head.
        projection_dim: of what is compared with the prototypes.
        num_prototypes: how many; each is a class that the teacher may speak of.
        student_temperature: that divides the student's cosines.
        teacher_temperature: that divides the teacher's, at the start.
        final_teacher_temperature: that after `teacher_warmup`, to which it goes in a straight line;
            ``None``: no change. 0.07 in the paper's longest runs.
        teacher_warmup: share of the run.
        center_momentum: of the mean of the teacher's outputs, which is taken off them.
        freeze_prototypes: share of the run in which the prototypes stay as they began.
        clip: largest norm of the gradient of each parameter, by itself; ``None``: gradients stay
            as they are. What the Trainer clips it clips after that.
        momentum: m of the teacher.
        final_momentum: m at the end of the run.
        optimizer: ``None``: the paper's for the backbone, which is SGD for one with batch norm, as
            a ResNet, and AdamW for others, as a vision transformer.
        learning_rate: ``None``: the paper's for the optimiser, 5e-4 with AdamW and 0.03 with SGD;
            LARS has none there.
        weight_decay: ``None``: the paper's, from 0.04 to 0.4 with AdamW and 1e-4 with SGD.
        final_weight_decay: at the end of the run; ``None``: no change if `weight_decay` is given,
            else the paper's.

    The other arguments, and what is raised, are those of `PretrainModule`.

    Raises:
        ValueError: if there are more than two views and the backbone takes images of one size, or
            `optimizer` is ``"lars"`` without `learning_rate` or `weight_decay`; in training, if the
            teacher's temperature or `freeze_prototypes` is to change in a run without end.

    Source:
        Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (2021), and its
        code: the run of 100 epochs, of which the shares are. Differs from it: schedules move every
        step, the warm-up begins at 1 % of the rate, and the cosine of the rate ends at 0 (there at
        1e-6); cosines and softmax are computed in float32 under autocast; timm's initialisation of
        backbones, a ResNet's residual branches at zero, and its resampling of a vision
        transformer's positions; without `drop_path_rate` no path is dropped.

    Example:
        >>> module = DINOModule("test_resnet", num_prototypes=64)
        >>> module.objectives["distillation"].queries
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
        >>> module.optimizer_name, module.learning_rate, module.weight_decay
        ('sgd', 0.03, 0.0001)
    """

    policy = "dino_resnet"

    def __init__(
        self,
        backbone: str | Path | Backbone = "resnet50",
        *,
        num_views: int = 10,
        hidden_dim: int = 2048,
        projection_dim: int = 256,
        num_prototypes: int = 65536,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        final_teacher_temperature: float | None = None,
        teacher_warmup: float = 0.3,
        center_momentum: float = 0.9,
        freeze_prototypes: float = 0.01,
        clip: float | None = 3.0,
        momentum: float = 0.996,
        final_momentum: float | None = 1.0,
        optimizer: OptimizerName | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
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
        check_arguments(DINOModule.__init__, locals())
        backbone = _open_for_sizes(backbone) if num_views > 2 else open_backbone(backbone)
        optimizer = optimizer or _optimizer_for(backbone)
        defaults = _DEFAULTS[optimizer]
        if learning_rate is None:
            learning_rate = _paper_value("learning_rate", defaults.learning_rate)
        if weight_decay is None:
            weight_decay = _paper_value("weight_decay", defaults.weight_decay)
            if final_weight_decay is None:
                final_weight_decay = defaults.final_weight_decay
        distillation = SelfDistillation(
            backbone.dim,
            num_views=num_views,
            hidden_dim=hidden_dim,
            projection_dim=projection_dim,
            num_prototypes=num_prototypes,
            student_temperature=student_temperature,
            teacher_temperature=teacher_temperature,
            final_teacher_temperature=final_teacher_temperature,
            teacher_warmup=teacher_warmup,
            center_momentum=center_momentum,
            freeze_prototypes=freeze_prototypes,
            momentum=momentum,
        )
        super().__init__(
            backbone,
            {"distillation": distillation},
            **run_arguments(locals()),
        )
        assert self.momentum_backbone is not None
        _keep_paths(self.momentum_backbone)
        self.clip = clip
        self.save_hyperparameters(ignore=["backbone"])

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        if self.clip is not None:
            clip_each(optimizer, self.clip)
        super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)


class _Defaults(NamedTuple):
    """What the paper sets with an optimiser."""

    learning_rate: float | None
    weight_decay: float | None
    final_weight_decay: float | None


_DEFAULTS: dict[OptimizerName, _Defaults] = {
    "adamw": _Defaults(5e-4, 0.04, 0.4),
    "sgd": _Defaults(0.03, 1e-4, None),
    "lars": _Defaults(None, None, None),
}


def _paper_value(name: str, value: float | None) -> float:
    if value is None:
        refuse(name, "a number for `optimizer`='lars'", None, "The paper has none for LARS.")
    return value


def _optimizer_for(backbone: Backbone) -> OptimizerName:
    return "sgd" if has_batch_norm(backbone) else "adamw"


def _open_for_sizes(source: str | Path | Backbone) -> Backbone:
    """A backbone that takes images of any size."""
    backbone = open_backbone(source)
    if not _has_single_size(backbone):
        return backbone
    if isinstance(source, str) and backbone.origin is None:  # a name: no weights to keep
        with suppress(TypeError):  # not every network has the option
            backbone = Backbone(**{**backbone.spec, "dynamic_img_size": True})
    if _has_single_size(backbone):
        raise ValueError(
            f"`backbone` must take large and small views, and {backbone.name!r} takes images of "
            f"{fixed_size(backbone.net, {})} pixels alone. Build it by "
            f"Backbone({backbone.name!r}, dynamic_img_size=True), which a vision transformer can, "
            "or set num_views=2."
        )
    return backbone


def _has_single_size(backbone: Backbone) -> bool:
    embedding = getattr(backbone.net, "patch_embed", None)
    return bool(getattr(embedding, "strict_img_size", False))


def _keep_paths(teacher: nn.Module) -> None:
    """The copy of a network that drops paths has none dropped."""
    for part in teacher.modules():
        if isinstance(part, timm.layers.DropPath):
            part.drop_prob = 0.0
