"""Supervised contrast: images of the own class attract."""

from __future__ import annotations

from torch import Tensor

from .contrastive import ContrastiveLoss, same_class


class SupConLoss(ContrastiveLoss):
    """Every stored key of the query's class is a positive, every other stored key a negative.

    The mean over the positives stands outside the logarithm (the form called L_out).

    Args:
        temperature: T; 0.07 in Islam et al.

    Source:
        Khosla et al., "Supervised Contrastive Learning" (2020), equation 2, with the positives and
        negatives of a momentum queue as in Islam et al. (2021), where the current keys are enqueued
        first: pass ``key=None`` then. Differs from their code: it divides by the number of
        positives, not by that number plus 1e-5.

    Example:
        >>> import torch
        >>> from instdisc.types import Bank
        >>> query = torch.eye(2)
        >>> bank = Bank(query, torch.tensor([0, 1]))  # the keys of the queries, enqueued already
        >>> SupConLoss(1.0)(query, None, bank, torch.tensor([0, 1]))  # log(1 + exp(-1))
        tensor(0.3133)
    """

    def positives(self, labels: Tensor, bank_labels: Tensor) -> Tensor:
        return same_class(labels, bank_labels)
