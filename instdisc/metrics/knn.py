"""Weighted nearest-neighbour classification.

Legend: N queries, M bank rows, D width, C classes, k neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call

from .inputs import check_classes, check_directions, check_features
from .rows import RowMetric, check_indices, empty_rows, image_order

_CHUNK = 512


@checked_call()
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
        TypeError: if a tensor is of another kind of number, or `k` is no whole number.
        ValueError: if the bank is empty, the shapes do not fit, a feature is not finite, a row is
            zero (it has no direction, and would vote for whichever class comes first), `k` or
            `temperature` is not positive, or a label lies outside [0, C).

    Source:
        Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"
        (2018), section 3.4.

    Example:
        >>> bank = torch.eye(2)
        >>> knn_scores(torch.tensor([[2.0, 0.1]]), bank, torch.tensor([1, 0]), num_classes=2, k=1)
        tensor([[0., 1.]])
    """
    _check_settings(k, temperature)
    check_features("bank", bank)
    if not len(bank):
        checks.refuse("bank", "of at least one row", bank)
    width = bank.shape[1]
    remedy = f"The rows of `bank` are {width} numbers wide."
    check_features("features", checks.shape("features", features, ("N", width), remedy=remedy))
    checks.shape("bank_labels", bank_labels, (len(bank),))
    check_classes("bank_labels", bank_labels, num_classes)
    check_directions("features", features)
    check_directions("bank", bank)
    bank, bank_labels = _unit(bank), bank_labels.long()
    scores = []
    for chunk in _unit(features).split(_CHUNK):
        cosine, neighbours = (chunk @ bank.T).topk(min(k, len(bank)), dim=1)  # (n, k)
        votes = ((cosine - cosine[:, :1]) / temperature).exp()
        empty = votes.new_zeros(len(chunk), num_classes)
        scores.append(empty.scatter_add_(1, bank_labels[neighbours], votes))
    return torch.cat(scores)


class KNNAccuracy(RowMetric):
    """Share of queries whose strongest class by `knn_scores` is their own.

    Args:
        k: neighbours that vote.
        temperature: T.

    Raises:
        TypeError, ValueError: as `knn_scores`; in `compute`, if no bank or no query was given.

    Example:
        >>> metric = KNNAccuracy(k=1)
        >>> metric.add_to_bank(torch.eye(2), torch.tensor([0, 1]))
        >>> metric.update(torch.eye(2), torch.tensor([0, 0]))
        >>> metric.compute()
        tensor(0.5000)
    """

    @checked_call()
    def __init__(self, k: int = 20, *, temperature: float = 0.07) -> None:
        integers, open_width = empty_rows(None, torch.int64), empty_rows(0, torch.float32)
        super().__init__(
            {
                **{"bank": open_width, "bank_labels": integers, "bank_indices": integers},
                **{"features": open_width, "labels": integers, "indices": integers},
            }
        )
        _check_settings(k, temperature)
        self.k = k
        self.temperature = temperature

    def add_to_bank(self, features: Tensor, labels: Tensor, indices: Tensor | None = None) -> None:
        """Adds rows ``(m, D)`` with labels ``(m,)``; see `update`."""
        self._add("bank", "bank_labels", "bank_indices", features, labels, indices)

    def update(self, features: Tensor, labels: Tensor, indices: Tensor | None = None) -> None:
        """Adds queries ``(n, D)`` with labels ``(n,)``; those of unknown class (-1) are left out.

        Args:
            features: floating-point.
            labels: whole numbers.
            indices: ``(n,)`` positions in the data set, so that an image counts once however
                often a distributed sampler repeats it; ``None``: every row counts.
        """
        self._add("features", "labels", "indices", features, labels, indices)

    def compute(self) -> Tensor:
        rows = image_order(self.rows("bank_indices"))
        bank, bank_labels = self.rows("bank")[rows], self.rows("bank_labels")[rows]
        rows = image_order(self.rows("indices"))
        features, labels = self.rows("features")[rows], self.rows("labels")[rows]
        if not len(bank) or not len(features):
            raise ValueError(
                f"kNN needs labelled rows in the bank and labelled queries, got {len(bank)} and "
                f"{len(features)}"
            )
        scores = knn_scores(
            features,
            bank,
            bank_labels,
            num_classes=int(bank_labels.max()) + 1,
            k=self.k,
            temperature=self.temperature,
        )
        return (scores.argmax(1) == labels).float().mean()

    def _add(
        self,
        rows: str,
        classes: str,
        positions: str,
        features: Tensor,
        labels: Tensor,
        indices: Tensor | None,
    ) -> None:
        name = "bank" if rows == "bank" else "features"
        check_features(name, features)
        checks.shape("labels", labels, (len(features),))
        labelled = check_classes("labels", labels, unknown=True) >= 0
        numbers = check_indices(indices, len(features), labels.device)
        tables = {rows: features[labelled], classes: labels[labelled], positions: numbers[labelled]}
        self.add_rows(**tables)


def _unit(rows: Tensor) -> Tensor:
    """Rows of length 1, also where the squares of their numbers leave the range of float32."""
    rows = rows.float()
    largest = rows.abs().amax(1, keepdim=True)
    return F.normalize(rows / largest.clamp(min=torch.finfo(rows.dtype).tiny), dim=1)


def _check_settings(k: int, temperature: float) -> None:
    checks.whole("k", k)
    checks.positive("temperature", temperature)
