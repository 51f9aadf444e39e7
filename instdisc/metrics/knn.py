"""Weighted nearest-neighbour classification.

Legend: N queries, M bank rows, D width, C classes, k neighbours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

_CHUNK = 512


def knn_scores(
    features: Tensor,
    bank: Tensor,
    bank_labels: Tensor,
    *,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
) -> Tensor:
    """For each query, how strongly its k most similar bank rows vote for each class.

    The score of class c is ``sum exp(cos_j / T)`` over those of the k neighbours that are of
    class c. With a bank of fewer than k rows all of them vote. It is computed in chunks of
    queries and in float32, for any number of classes.

    Args:
        features: ``(N, D)``; their length does not matter.
        bank: ``(M, D)``.
        bank_labels: ``(M,)`` int64 in [0, C).
        num_classes: C.
        k: neighbours that vote.
        temperature: T.

    Returns:
        ``(N, C)`` float32, relative to the strongest vote of each query.

    Raises:
        ValueError: if the bank is empty, `k` or `temperature` is not positive, or a label lies
            outside [0, C).

    Source:
        Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"
        (2018), section 3.4.

    Example:
        >>> bank = torch.eye(2)
        >>> knn_scores(torch.tensor([[2.0, 0.1]]), bank, torch.tensor([1, 0]), num_classes=2, k=1)
        tensor([[0., 1.]])
    """
    if not len(bank):
        raise ValueError("`bank` must hold at least one row, got none")
    if k < 1 or not temperature > 0:
        raise ValueError(f"`k` and `temperature` must be positive, got {k} and {temperature}")
    if int(bank_labels.min()) < 0 or int(bank_labels.max()) >= num_classes:
        raise ValueError(
            f"`bank_labels` must lie in [0, {num_classes}), got {int(bank_labels.min())} to "
            f"{int(bank_labels.max())}. Images of unknown class (-1) cannot vote: leave them out."
        )
    bank = F.normalize(bank.float(), dim=1)
    scores = []
    for chunk in F.normalize(features.float(), dim=1).split(_CHUNK):
        cosine, neighbours = (chunk @ bank.T).topk(min(k, len(bank)), dim=1)  # (n, k)
        votes = ((cosine - cosine[:, :1]) / temperature).exp()
        empty = votes.new_zeros(len(chunk), num_classes)
        scores.append(empty.scatter_add_(1, bank_labels[neighbours], votes))
    return torch.cat(scores) if scores else features.new_zeros(0, num_classes)


class KNNAccuracy(Metric):
    """Share of queries whose strongest class by `knn_scores` is their own.

    Args:
        k: neighbours that vote.
        temperature: T.

    Raises:
        ValueError: in `compute`, if no bank or no query was given.

    Example:
        >>> metric = KNNAccuracy(k=1)
        >>> metric.add_to_bank(torch.eye(2), torch.tensor([0, 1]))
        >>> metric.update(torch.eye(2), torch.tensor([0, 0]))
        >>> metric.compute()
        tensor(0.5000)
    """

    full_state_update = False
    bank: list[Tensor]
    bank_labels: list[Tensor]
    features: list[Tensor]
    labels: list[Tensor]

    def __init__(self, k: int = 20, *, temperature: float = 0.07) -> None:
        super().__init__()
        if k < 1 or not temperature > 0:
            raise ValueError(f"`k` and `temperature` must be positive, got {k} and {temperature}")
        self.k = k
        self.temperature = temperature
        for name in ("bank", "bank_labels", "features", "labels"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def add_to_bank(self, features: Tensor, labels: Tensor) -> None:
        """Adds rows ``(m, D)`` with labels ``(m,)``; rows of unknown class are left out."""
        known = labels >= 0
        self.bank.append(features[known].float())
        self.bank_labels.append(labels[known])

    def update(self, features: Tensor, labels: Tensor) -> None:
        """Adds queries ``(n, D)`` with labels ``(n,)``; those of unknown class are left out."""
        known = labels >= 0
        self.features.append(features[known].float())
        self.labels.append(labels[known])
        # torchmetrics counts updates; a bank alone is no result.

    def compute(self) -> Tensor:
        bank, bank_labels = _joined(self.bank), _joined(self.bank_labels)
        features, labels = _joined(self.features), _joined(self.labels)
        if not len(bank) or not len(features):
            raise ValueError(
                f"kNN needs labelled rows in the bank and labelled queries, got {len(bank)} and "
                f"{len(features)}"
            )
        num_classes = int(bank_labels.max()) + 1
        scores = knn_scores(
            features,
            bank,
            bank_labels,
            num_classes=num_classes,
            k=self.k,
            temperature=self.temperature,
        )
        return (scores.argmax(1) == labels).float().mean()


def _joined(state: Any) -> Tensor:
    return dim_zero_cat(state) if len(state) else torch.zeros(0)
