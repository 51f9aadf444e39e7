"""What several objectives tell of their last batch.

Legend: B vectors, D width, K keys of a bank.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc.losses import ContrastiveLoss


def spread(vectors: Tensor) -> Tensor:
    """Standard deviation over vectors of unit length, times sqrt(D).

    About 1 when they fill the sphere, and 0 when they collapsed.

    Args:
        vectors: ``(B, D)``.

    Example:
        >>> spread(torch.ones(4, 2)), spread(torch.eye(2).repeat(100, 1))
        (tensor(0.), tensor(0.7089))
    """
    return vectors.std(0).mean() * vectors.shape[1] ** 0.5


def repelling(loss: ContrastiveLoss, labels: Tensor, bank_labels: Tensor) -> Tensor:
    """Which keys repel each query and do not attract it.

    Args:
        loss: whose rules hold.
        labels: ``(B,)`` int64 of the queries.
        bank_labels: ``(K,)`` int64.

    Returns:
        ``(B, K)`` bool.

    Example:
        >>> from instdisc.losses import ExemplarLoss
        >>> repelling(ExemplarLoss(0.1), torch.tensor([1]), torch.tensor([1, 2]))
        tensor([[False,  True]])
    """
    negatives = loss.negatives(labels, bank_labels)
    if negatives is None:
        shape = len(labels), len(bank_labels)
        negatives = torch.ones(shape, dtype=torch.bool, device=labels.device)
    positives = loss.positives(labels, bank_labels)
    return negatives if positives is None else negatives & ~positives
