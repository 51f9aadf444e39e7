"""What the terms with a memory bank share: projector, bank and its update.

Legend: B batch on this process, W processes, N images, D width of the projection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from instdisc.checks import INTEGERS, dtype, refuse
from instdisc.distributed import gather
from instdisc.models import MemoryBank, Projector
from instdisc.models.projector import ProjectorKind

from .objective import Objective
from .readings import spread

_REMEDY = "Batches must be Views(images, labels, indices), as those of instdisc.data.ViewData are."


class MemoryBankObjective(Objective):
    """A term that compares each image with the stored rows of all; a subclass says how.

    The rows of a batch are updated after its backward pass, those of all processes on each; under
    gradient accumulation after each micro-batch.

    Args:
        dim: width of the features.
        num_images: N.
        projector: ``"linear"`` or ``"mlp"``.
        projection_dim: D.
        bank_momentum: m of the rows.
        bank_in_host_memory: where they are kept; see `MemoryBank`.
        needs_labels: refuse images of unknown class.
        weight: by what the term is multiplied in the total.
    """

    temperature: float

    def __init__(
        self,
        dim: int,
        num_images: int,
        *,
        projector: ProjectorKind,
        projection_dim: int,
        bank_momentum: float,
        bank_in_host_memory: bool,
        needs_labels: bool,
        weight: float,
    ) -> None:
        super().__init__(weight=weight)
        self.projector = Projector(dim, projection_dim, kind=projector)
        self.memory_bank = MemoryBank(
            num_images, projection_dim, momentum=bank_momentum, in_host_memory=bank_in_host_memory
        )
        self.needs_labels = needs_labels
        self._indices: Tensor | None = None
        self._last: tuple[Tensor, Tensor, Tensor] | None = None  # query, labels, indices

    def contrast(self, query: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """The mean loss of the queries.

        Args:
            query: ``(B, D)`` rows of unit length.
            labels: ``(B,)`` int64.
            indices: ``(B,)`` int64, which rows are theirs.
        """
        raise NotImplementedError

    def highest_negative(self, query: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Of each query the largest cosine with a row that repels it, ``(B,)``; see `contrast`."""
        raise NotImplementedError

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        indices = self._indices
        if indices is None:
            raise ValueError(
                f"{type(self).__name__} needs `indices`, the positions of a batch's images in the "
                f"data set, to know which rows of the memory bank are theirs; got none. {_REMEDY}"
            )
        query = self.projector(queries[0])  # (B, D)
        self._last = (query.detach(), labels, indices)
        return self.contrast(query, labels, indices)

    def begin_batch(self, indices: Tensor | None, done: float) -> None:
        self._indices = None if indices is None else self._checked(indices)

    def after_backward(self) -> None:
        if self._last is not None:
            query, labels, indices = map(gather, self._last)
            self.memory_bank.update(indices, query, labels)

    def structure(self) -> dict[str, Any]:
        return {
            "num_images": self.memory_bank.size,
            "projection_dim": self.memory_bank.features.shape[1],
            "projector": "mlp" if len(self.projector.layers) > 1 else "linear",
        }

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Of the last batch on this process, before its rows are updated.

        Returns:
            ``accuracy``: share of queries more similar to their own row than to any negative;
            ``positive_similarity``: mean cosine with the own row; ``spread``: standard deviation of
            the query features times sqrt(D), about 1 when they fill the sphere and 0 when they
            collapsed.
        """
        if self._last is None:
            return {}
        query, labels, indices = self._last
        positive = (query * self.memory_bank.rows(indices).to(query.dtype)).sum(1)  # (B,)
        return {
            "accuracy": (positive > self.highest_negative(query, labels, indices)).float().mean(),
            "positive_similarity": positive.mean(),
            "spread": spread(query),
        }

    def _checked(self, indices: Tensor) -> Tensor:
        dtype("indices", indices, INTEGERS, remedy=_REMEDY)
        if indices.ndim != 1:
            refuse("indices", "(B,), a position for each image", indices, _REMEDY)
        if indices.device.type == "cpu":  # on another device a look would wait for it
            low, high = (int(index) for index in indices.aminmax())
            if low < 0 or high >= self.memory_bank.size:
                raise ValueError(
                    f"`indices` of a batch reach from {low} to {high}, outside the "
                    f"`num_images`={self.memory_bank.size} of the memory bank. Set it to the "
                    "number of training images."
                )
        return indices.long()
