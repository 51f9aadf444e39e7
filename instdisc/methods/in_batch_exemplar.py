"""Exemplar-based supervision within a batch."""

from __future__ import annotations

from instdisc.losses import ExemplarLoss

from .simclr import SimCLRModule


class InBatchExemplarModule(SimCLRModule):
    """SimCLR in which other images of the query's class are neither positive nor negative.

    What `ExemplarModule` is to MoCo, this is to SimCLR: the rule of Zhao et al. without a queue.
    It is of this library; no paper has it. Everything else, the arguments included, is
    `SimCLRModule`'s. Every image needs a class, and a batch of few classes has few negatives.

    Source:
        The rule: Zhao et al., "What Makes Instance Discrimination Good for Transfer Learning?"
        (2021); the recipe: Chen et al., "A Simple Framework for Contrastive Learning of Visual
        Representations" (2020). Differs from the first: negatives come from the batch; from the
        second: as `SimCLRModule`, and by the rule.

    Example:
        >>> InBatchExemplarModule("resnet18").objectives["contrast"].loss
        ExemplarLoss(temperature=0.1)
    """

    loss_class = ExemplarLoss
    needs_labels = True
