"""Exemplar-based supervision: images of the own class are left alone."""

from __future__ import annotations

from torch import Tensor

from .contrastive import ContrastiveLoss, same_class


class ExemplarLoss(ContrastiveLoss):
    """Instance discrimination without same-class negatives.

    The own key attracts and stored keys of other classes repel; stored keys of the query's own
    class are neither positive nor negative. Keys of unknown class repel, and a query of unknown
    class is treated as by `InstanceDiscriminationLoss`. With all labels different the two losses
    are equal; with only keys of the own class in the bank the loss is 0.

    Args:
        temperature: T; 0.07 in v1, 0.2 in v2.

    Source:
        Zhao et al., "What Makes Instance Discrimination Good for Transfer Learning?" (2021),
        section on exemplar-based supervised pretraining.

    Example:
        >>> import torch
        >>> from instdisc.types import Bank
        >>> query = torch.eye(2)
        >>> bank = Bank(query, torch.tensor([0, 1]))
        >>> loss = ExemplarLoss(0.2)
        >>> loss(query, query, bank, torch.tensor([0, 1]))  # only the orthogonal key repels
        tensor(0.0067)
    """

    def negatives(self, labels: Tensor, bank_labels: Tensor) -> Tensor:
        return ~same_class(labels, bank_labels)
