"""Contrast of each view with the nearest stored neighbour of the other, as a term of a total loss.

Legend: B batch on this process, D width of the projection, K queue length, C keys of
a slice of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from instdisc.distributed import gather
from instdisc.losses import InstanceDiscriminationLoss, contrast_with_keys
from instdisc.losses.sweep import slices
from instdisc.models import MLP, FeatureQueue
from instdisc.types import UNKNOWN_LABEL, Bank

from ..arguments import check_arguments
from .prediction import Prediction


class NeighbourContrast(Prediction):
    r"""Each view's prediction against the stored nearest neighbour of the other view.

    With :math:`z_v` the projection of view v, :math:`p_v` its prediction, both scaled to unit
    length, and :math:`n(z)` the most similar row of a queue of earlier projections,

    .. math::
        L = \frac{1}{2 B} \sum_i \left[
            -\log \frac{\exp(n(z_0)_i \cdot p_{1,i} / T)}{\sum_j \exp(n(z_0)_i \cdot p_{1,j} / T)}
            -\log \frac{\exp(n(z_1)_i \cdot p_{0,i} / T)}{\sum_j \exp(n(z_1)_i \cdot p_{0,j} / T)}
        \right]

    with j over the global batch: the negatives are the other images' predictions of the same view.
    The gradient flows through the predictions alone. The projections of view 0 enter the queue
    after the backward pass, so no image is its own neighbour in its step; in a queue longer than
    the data set it may find itself from the epoch before.

    Rows of the queue that hold no projection yet are never a neighbour. In the first batch of a run
    none does, and each projection stands for its own neighbour.

    Args:
        projector: of the features, to width D.
        predictor: from D to D.
        temperature: T.
        queue_size: K; not below the global batch, and better many times the number of classes.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a width does not fit the one before, or another argument is out of range.

    Source:
        Dwibedi et al., "With a Little Help from My Friends: Nearest-Neighbor Contrastive Learning
        of Visual Representations" (2021), equations 3 and 4. Differs from it: a queue that begins
        with random rows would give random neighbours until it is full; here they are masked.

    Example:
        >>> term = NeighbourContrast(MLP(4, (8, 2)), MLP(2, (8, 2)), queue_size=16)
        >>> features = {0: torch.randn(3, 4), 1: torch.randn(3, 4)}
        >>> loss = term(features, {}, torch.arange(3))
        >>> int(term.queue.pushed)
        0
        >>> term.after_backward()
        >>> int(term.queue.pushed)
        3
    """

    within_batch = True

    def __init__(
        self,
        projector: MLP,
        predictor: MLP,
        *,
        temperature: float = 0.1,
        queue_size: int = 98304,
        weight: float = 1.0,
    ) -> None:
        check_arguments(NeighbourContrast.__init__, locals())
        super().__init__(projector, predictor, momentum=None, weight=weight)
        self.loss = InstanceDiscriminationLoss(temperature)
        self.queue = FeatureQueue(queue_size, projector.widths[-1])
        self._pushed_next: tuple[Tensor, Tensor] | None = None  # projections of view 0, labels
        # Of each direction: neighbours with their labels, predictions, labels of the images.
        self._matches: list[tuple[Bank, Tensor, Tensor]] = []

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        self._matches = []
        loss = super().forward(queries, keys, labels)
        assert self._last is not None
        self._pushed_next = (self._last[2][0], labels)
        return loss

    def compare(self, predictions: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Half of the loss, in one direction; see `Prediction.compare`."""
        neighbours = nearest_keys(targets, self.queue)
        self._matches.append((neighbours, predictions.detach(), labels))
        return contrast_with_keys(self.loss, neighbours.features, predictions, labels) / 2

    def after_backward(self) -> None:
        if self._pushed_next is not None:
            projections, labels = self._pushed_next
            self.queue.push(gather(projections), gather(labels))

    @property
    def largest_batch(self) -> int | None:
        return self.queue.size

    def structure(self) -> dict[str, Any]:
        return {**super().structure(), "queue_size": self.queue.size}

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Of the last batch on this process, before it enters the queue.

        Returns:
            ``same_class``: share of the neighbours that are of the class of their image, among
            those where both classes are known (nan if there are none); ``accuracy``: share of the
            neighbours more similar to their image's prediction than to all others on this process;
            ``similarity``: mean cosine of neighbours and predictions; ``spread``: see `Prediction`;
            ``queue_fill``: share of the queue that holds projections.
        """
        if not self._matches:
            return {}
        same, comparable, hits, similarities = [], [], [], []
        for neighbours, predictions, labels in self._matches:
            pairs = neighbours.features @ predictions.T  # (B, B)
            hits.append(pairs.argmax(1) == torch.arange(len(pairs), device=pairs.device))
            similarities.append(pairs.diagonal())
            comparable.append((labels != UNKNOWN_LABEL) & (neighbours.labels != UNKNOWN_LABEL))
            same.append((labels == neighbours.labels) & comparable[-1])
        return {
            "same_class": torch.cat(same).sum() / torch.cat(comparable).sum(),
            "accuracy": torch.cat(hits).float().mean(),
            "similarity": torch.cat(similarities).mean(),
            "spread": super().statistics()["spread"],
            "queue_fill": self.queue.pushed.clamp(max=self.queue.size) / self.queue.size,
        }


@torch.no_grad()
def nearest_keys(query: Tensor, queue: FeatureQueue) -> Bank:
    """Of each query the most similar key that was pushed, with its label.

    Args:
        query: ``(B, D)`` rows of unit length.
        queue: of keys of unit length. While it is empty, each query is its own neighbour, of
            unknown class.

    Returns:
        ``(B, D)`` in the dtype of `query`, and ``(B,)`` labels; copies.

    Example:
        >>> queue = FeatureQueue(4, 2)
        >>> queue.push(torch.eye(2), torch.tensor([7, 8]))
        >>> nearest_keys(torch.tensor([[0.6, 0.8]]), queue)
        Bank(features=tensor([[0., 1.]]), labels=tensor([8]))
    """
    bank = queue.bank()
    best = torch.full_like(query[:, 0], -torch.inf)  # (B,)
    rows = torch.zeros(len(query), dtype=torch.int64, device=query.device)  # (B,)
    start = 0
    with torch.autocast(query.device.type, enabled=False):
        for part in slices(bank, len(query)):
            similarities = query @ part.features.to(query.dtype).T  # (B, C)
            numbers = torch.arange(start, start + len(part.labels), device=query.device)  # (C,)
            similarities.masked_fill_(numbers >= queue.pushed, -torch.inf)
            values, places = similarities.max(1)  # (B,)
            rows = torch.where(values > best, start + places, rows)
            best = torch.maximum(best, values)
            start += len(part.labels)
    is_empty = queue.pushed == 0
    return Bank(
        torch.where(is_empty, query, bank.features[rows].to(query.dtype)),
        torch.where(is_empty, UNKNOWN_LABEL, bank.labels[rows]),
    )
