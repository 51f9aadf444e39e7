"""Instance discrimination: every other image is a negative."""

from __future__ import annotations

from torch import Tensor

from .contrastive import ContrastiveLoss, same_class


class InstanceDiscriminationLoss(ContrastiveLoss):
    """InfoNCE on a queue: the own key attracts, every stored key repels, labels play no part.

    Args:
        temperature: T; 0.07 in MoCo v1, 0.2 in MoCo v2.

    Source:
        He et al., "Momentum Contrast" (2020), equation 1.

    Example:
        >>> import torch
        >>> from instdisc.types import Bank
        >>> query = torch.eye(2)
        >>> bank = Bank(-torch.eye(2), torch.tensor([0, 1]))
        >>> InstanceDiscriminationLoss(0.2)(query, query, bank, torch.tensor([0, 1]))
        tensor(0.0068)
    """


class SameClassNegativesLoss(ContrastiveLoss):
    """Instance discrimination within the class: only stored keys of the query's own class repel.

    A query whose class is unknown, or not in the bank, adds 0.

    Args:
        temperature: T.

    Source:
        The variant `base_plus_moco_intra` in the released code of Islam et al. (2021).

    Example:
        >>> import torch
        >>> from instdisc.types import Bank
        >>> query = torch.eye(2)
        >>> bank = Bank(query.flip(0), torch.tensor([5, 6]))
        >>> SameClassNegativesLoss(1.0)(query, query, bank, torch.tensor([7, 8]))
        tensor(0.)
    """

    def negatives(self, labels: Tensor, bank_labels: Tensor) -> Tensor:
        return same_class(labels, bank_labels)
