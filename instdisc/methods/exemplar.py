"""Exemplar-based supervised pretraining."""

from __future__ import annotations

from instdisc.losses import ExemplarLoss

from .moco import MoCoModule


class ExemplarModule(MoCoModule):
    """MoCo in which stored keys of the query's own class are neither positive nor negative.

    Everything else, the arguments included, is `MoCoModule`'s: ``version="v1"`` is exemplar-v1,
    ``"v2"`` exemplar-v2. Every image needs a class.

    Source:
        Zhao et al., "What Makes Instance Discrimination Good for Transfer Learning?" (2021).
        Differs from it as `MoCoModule` does from MoCo.

    Example:
        >>> ExemplarModule("resnet18", version="v1", queue_size=1024).objectives["contrast"].loss
        ExemplarLoss(temperature=0.07)
    """

    loss_class = ExemplarLoss
    needs_labels = True
