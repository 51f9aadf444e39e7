"""Contrast of queries with a queue of keys, as a term of a total loss.

Legend: B batch on this process, W processes, D width of the projection, K queue length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from instdisc.checks import refuse, whole
from instdisc.distributed import gather, world_size
from instdisc.losses import ContrastiveLoss
from instdisc.losses.contrastive import overrides
from instdisc.losses.sweep import slices
from instdisc.models import FeatureQueue, MomentumEncoder, Projector
from instdisc.models.projector import ProjectorKind

from ..arguments import check_arguments
from ..training.schedule import cosine_between
from .objective import Objective
from .readings import repelling, spread

QueueDtype = Literal["float32", "bfloat16"]


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
        final_temperature: T at the end of the run, reached as a cosine from the loss's; ``None``:
            T does not change.
        enqueue_first: push the batch's keys before the loss is computed, as Islam et al. do for
            SupCon, so that the own key is found in the queue. Else they are pushed after the
            backward pass and never stand among their own negatives.
        needs_labels: refuse images of unknown class.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if an argument is out of range, or `enqueue_first` is set and the loss has a
            `log_bank_sum`.
    """

    keys = (1,)
    _sharpness: Tensor

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
        final_temperature: float | None = None,
        enqueue_first: bool = False,
        needs_labels: bool = False,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight=weight)
        check_arguments(Contrast.__init__, locals())
        whole("dim", dim)
        if enqueue_first and overrides(loss, "log_bank_sum"):
            rule = f"False for {type(loss).__name__}, whose `log_bank_sum` takes the own key apart"
            refuse("enqueue_first", rule, enqueue_first)
        self.loss = loss
        self.projector = Projector(dim, projection_dim, kind=projector)
        self.momentum_projector = MomentumEncoder(self.projector, momentum)
        dtype: torch.dtype = getattr(torch, queue_dtype)
        self.queue = FeatureQueue(queue_size, projection_dim, dtype=dtype)
        self.final_temperature = final_temperature
        # First T over T of now: similarities of queries so scaled are those at T of now, and a loss
        # has no number that changes.
        self.register_buffer("_sharpness", torch.ones(()), persistent=False)
        self.enqueue_first = enqueue_first
        self.needs_labels = needs_labels
        self._last: tuple[Tensor, Tensor, Tensor] | None = None  # query, key, labels

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        query = self.projector(queries[0])  # (B, D)
        key = self.momentum_projector(keys[1])  # (B, D)
        self._last = (query.detach(), key, labels)
        if self.final_temperature is not None:
            query = query * self._sharpness
        if self.enqueue_first:
            self._push(key, labels)
            loss: Tensor = self.loss(query, None, self.queue.bank(), labels)
        else:
            loss = self.loss(query, key, self.queue.bank(), labels)
        return loss

    def begin_batch(self, indices: Tensor | None, done: float) -> None:
        if self.final_temperature is not None:
            first = self.loss.temperature
            self._sharpness.fill_(first / cosine_between(first, self.final_temperature, done))

    @property
    def schedules(self) -> tuple[str, ...]:
        return () if self.final_temperature is None else ("final_temperature",)

    @property
    def largest_batch(self) -> int | None:
        return self.queue.size

    def structure(self) -> dict[str, Any]:
        return {
            "queue_size": self.queue.size,
            "projection_dim": self.queue.features.shape[1],
            "projector": "mlp" if len(self.projector.layers) > 1 else "linear",
        }

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
            others = ~repelling(self.loss, labels, part.labels)  # (B, C)
            count += others.numel() - others.sum()
            total += similarity.masked_fill_(others, 0.0).sum()
            hardest = torch.maximum(hardest, similarity.masked_fill_(others, -torch.inf).amax(1))
        filled = self.queue.pushed.clamp(max=self.queue.size)
        return {
            "accuracy": (positive > hardest).float().mean(),
            "positive_similarity": positive.mean(),
            "negative_similarity": total / count,
            "spread": spread(query),
            "queue_age": filled / (len(query) * world_size()),
            "queue_fill": filled / self.queue.size,
        }

    def _push(self, key: Tensor, labels: Tensor) -> None:
        self.queue.push(gather(key), gather(labels))
