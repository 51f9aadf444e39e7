"""The terms of a total loss, each with all it owns.

Legend: B batch on this process, W processes, D width of the projection, K queue length.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.checks import whole
from instdisc.distributed import gather, world_size
from instdisc.losses import ContrastiveLoss
from instdisc.losses.sweep import slices
from instdisc.models import FeatureQueue, MomentumEncoder, Projector
from instdisc.models.projector import ProjectorKind
from instdisc.types import UNKNOWN_LABEL, Bank

from .arguments import check_arguments

QueueDtype = Literal["float32", "bfloat16"]


class Objective(nn.Module):
    """One term of a method's loss; subclass it to add a term of another kind.

    Args:
        weight: by what the term is multiplied in the total.

    Attributes:
        needs_key: whether `forward` wants the key features of the second view.
        needs_labels: whether every image must have a known class.
        num_queries: how many views the query encoder must see.

    Raises:
        TypeError: if `weight` is no number.
        ValueError: if `weight` is negative or not finite.
    """

    needs_key = False
    needs_labels = False
    num_queries = 1

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        check_arguments(Objective.__init__, locals())
        self.weight = weight

    def forward(self, queries: Sequence[Tensor], key: Tensor | None, labels: Tensor) -> Tensor:
        """The unweighted term.

        Args:
            queries: for each view that the query encoder saw, its backbone features ``(B, dim)``.
            key: ``(B, dim)`` features of the momentum backbone for the second view, or ``None``.
            labels: ``(B,)`` int64.

        Returns:
            Scalar.
        """
        raise NotImplementedError

    def check_batch(self, labels: Tensor) -> None:
        """Refuses a batch that this term cannot use; called now and then where labels are on a GPU.

        Raises:
            ValueError: if a label is unknown and `needs_labels`.
        """
        if self.needs_labels and bool((labels == UNKNOWN_LABEL).any()):
            raise ValueError(
                f"{type(self).__name__} needs a class for every image, but "
                f"{int((labels == UNKNOWN_LABEL).sum())} of {len(labels)} `labels` in this batch "
                "are -1 (unknown). Sort the images into class folders, or pretrain with "
                "MoCoModule, which needs none."
            )

    def after_backward(self) -> None:
        """Called once per micro-batch, when its gradients are computed."""

    def after_step(self) -> None:
        """Called once per optimiser step."""

    def statistics(self) -> dict[str, Tensor]:
        """Scalars that describe the last batch, before its keys are pushed; for monitors."""
        return {}


def weighted_sum(terms: Sequence[tuple[float, Tensor]]) -> Tensor:
    """The total of ``(weight, term)``, without a kernel for a weight of 1 or a sum of one term."""
    return functools.reduce(
        torch.add, [term if weight == 1 else weight * term for weight, term in terms]
    )


class Classification(Objective):
    """Softmax cross-entropy with a linear classifier.

    Args:
        dim: width of the features.
        num_classes: number of classes, at least 2.
        both_views: classify two views of each image instead of one.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if `num_classes` is below 2, or another argument out of range.
    """

    needs_labels = True

    def __init__(
        self, dim: int, num_classes: int, *, both_views: bool = False, weight: float = 1.0
    ) -> None:
        super().__init__(weight=weight)
        check_arguments(Classification.__init__, locals())
        whole("dim", dim)
        self.num_queries = 2 if both_views else 1
        self.classifier = nn.Linear(dim, num_classes)
        self._accuracy: Tensor | None = None

    def forward(self, queries: Sequence[Tensor], key: Tensor | None, labels: Tensor) -> Tensor:
        features = torch.cat(list(queries[: self.num_queries]))
        labels = labels.repeat(self.num_queries)
        logits = self.classifier(features).float()
        self._accuracy = (logits.detach().argmax(1) == labels).float().mean()
        return F.cross_entropy(logits, labels)

    def check_batch(self, labels: Tensor) -> None:
        super().check_batch(labels)
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0:
            raise ValueError(f"`labels` must be classes from 0 on, got {lowest}")
        num_classes = self.classifier.out_features
        if highest >= num_classes:
            raise ValueError(
                f"`labels` must be below the number of classes, but label {highest} is outside "
                f"`num_classes`={num_classes}. Set it to the number of classes of the data set."
            )

    def statistics(self) -> dict[str, Tensor]:
        return {} if self._accuracy is None else {"accuracy": self._accuracy}


class Contrast(Objective):
    """A contrastive loss with its projector, momentum projector and queue.

    Args:
        dim: width of the features.
        loss: which stored keys attract and repel.
        projector: ``"mlp"`` or ``"linear"``.
        projection_dim: D.
        queue_size: K; not below the global batch.
        queue_dtype: of the stored keys, ``"float32"`` or ``"bfloat16"``; see `FeatureQueue`.
        momentum: m of the momentum projector.
        enqueue_first: push the batch's keys before the loss is computed, as Islam et al. do for
            SupCon, so that the own key is found in the queue. Else they are pushed after the
            backward pass and never stand among their own negatives.
        needs_labels: refuse images of unknown class.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if an argument is out of range.
    """

    needs_key = True

    def __init__(
        self,
        dim: int,
        loss: ContrastiveLoss,
        *,
        projector: ProjectorKind = "mlp",
        projection_dim: int = 128,
        queue_size: int = 65536,
        queue_dtype: QueueDtype = "float32",
        momentum: float = 0.999,
        enqueue_first: bool = False,
        needs_labels: bool = False,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight=weight)
        check_arguments(Contrast.__init__, locals())
        whole("dim", dim)
        self.loss = loss
        self.projector = Projector(dim, projection_dim, kind=projector)
        self.momentum_projector = MomentumEncoder(self.projector, momentum)
        dtype: torch.dtype = getattr(torch, queue_dtype)
        self.queue = FeatureQueue(queue_size, projection_dim, dtype=dtype)
        self.enqueue_first = enqueue_first
        self.needs_labels = needs_labels
        self._last: tuple[Tensor, Tensor, Tensor] | None = None  # query, key, labels

    def forward(self, queries: Sequence[Tensor], key: Tensor | None, labels: Tensor) -> Tensor:
        if key is None:
            raise ValueError("`key` must be the (B, dim) features of the second view, got None")
        query = self.projector(queries[0])  # (B, D)
        key = self.momentum_projector(key)  # (B, D)
        self._last = (query.detach(), key, labels)
        if self.enqueue_first:
            self._push(key, labels)
            loss: Tensor = self.loss(query, None, self.queue.bank(), labels)
        else:
            loss = self.loss(query, key, self.queue.bank(), labels)
        return loss

    def check_batch(self, labels: Tensor) -> None:
        super().check_batch(labels)
        if len(labels) * world_size() > self.queue.size:
            raise ValueError(
                f"`queue_size`={self.queue.size} is smaller than the global batch of "
                f"{len(labels) * world_size()} images. Make the queue longer or the batch smaller."
            )

    def after_backward(self) -> None:
        if self._last is not None and not self.enqueue_first:
            self._push(*self._last[1:])

    def after_step(self) -> None:
        self.momentum_projector.update(self.projector)

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Of the last batch on this process, before its keys are pushed (unless enqueued first).

        Returns:
            ``accuracy``: share of queries more similar to their own key than to any negative;
            ``positive_similarity``, ``negative_similarity``: mean cosines; ``spread``: standard
            deviation of the query features times sqrt(D), about 1 when they fill the sphere and 0
            when they collapsed; ``queue_age``: optimiser steps since the oldest key was pushed;
            ``queue_fill``: share of the queue that holds real keys.
        """
        if self._last is None:
            return {}
        query, key, labels = self._last
        positive = (query * key).sum(1)  # (B,)
        hardest = torch.full_like(positive, -torch.inf)
        total, count = torch.zeros(
            2, device=positive.device
        )  # in float32, however the features are held
        for part in slices(self.queue.bank(), len(query)):
            similarity = query @ part.features.to(query.dtype).T  # (B, C), C keys of a slice
            others = ~_counted_negatives(self.loss, part, labels)  # (B, C)
            count += others.numel() - others.sum()
            total += similarity.masked_fill_(others, 0.0).sum()
            hardest = torch.maximum(hardest, similarity.masked_fill_(others, -torch.inf).amax(1))
        filled = self.queue.pushed.clamp(max=self.queue.size)
        return {
            "accuracy": (positive > hardest).float().mean(),
            "positive_similarity": positive.mean(),
            "negative_similarity": total / count,
            "spread": query.std(0).mean() * query.shape[1] ** 0.5,
            "queue_age": filled / (len(query) * world_size()),
            "queue_fill": filled / self.queue.size,
        }

    def _push(self, key: Tensor, labels: Tensor) -> None:
        self.queue.push(gather(key), gather(labels))


def _counted_negatives(loss: ContrastiveLoss, bank: Bank, labels: Tensor) -> Tensor:
    negatives = loss.negatives(labels, bank.labels)
    if negatives is None:
        negatives = torch.ones(
            len(labels), len(bank.labels), dtype=torch.bool, device=labels.device
        )
    positives = loss.positives(labels, bank.labels)
    return negatives if positives is None else negatives & ~positives
