"""Contrast of queries with rows drawn from a memory bank, as a term of a total loss.

Legend: B batch on this process, W processes, b queries of a slice, K drawn rows of each, N images,
D width of the projection.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from instdisc.checks import whole
from instdisc.distributed import gather, rank, world_size
from instdisc.losses import noise_contrast, sampled_softmax
from instdisc.losses.sampled import contrast_samples
from instdisc.models.projector import ProjectorKind

from ..arguments import check_arguments
from .memory_bank import MemoryBankObjective

Estimator = Literal["softmax", "nce"]


class SampledContrast(MemoryBankObjective):
    """Each query against its own row and K rows drawn for it, with its projector and memory bank.

    The draws are uniform, with replacement, from the rows of all images, the own one not excepted.
    They follow from the seed of the bank, its updates and the position of the image in the global
    batch: the same on any number of processes and after a resume.

    Args:
        dim: width of the features.
        num_images: N, the number of training images; batches must have their positions
            (``indices`` of `Views`).
        num_negatives: K.
        temperature: T.
        estimator: ``"softmax"``: cross-entropy of the own row among 1 + K. ``"nce"``: noise-
            contrastive estimation as published; the constant Z is estimated from the first batch
            and kept, although it becomes wrong when the rows are no longer random.
        projector: ``"linear"`` or ``"mlp"``.
        projection_dim: D.
        bank_momentum: m of the rows, M_i <- normalise(m M_i + (1 - m) v_i).
        bank_in_host_memory: keep the rows in the memory of the host; see `MemoryBank`.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if an argument is out of range; in training, if a batch has no ``indices``.

    Source:
        Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"
        (2018), section 3.2 (``"nce"``); the released code of its update, with K = 65,536
        (``"softmax"``). Differs from the code: see `MemoryBank` and `noise_contrast`.

    Example:
        >>> term = SampledContrast(8, 1000, num_negatives=64)
        >>> term.begin_batch(torch.tensor([3, 5]), 0.0)
        >>> term({0: torch.randn(2, 8)}, {}, torch.tensor([-1, -1])).shape
        torch.Size([])
    """

    def __init__(
        self,
        dim: int,
        num_images: int,
        *,
        num_negatives: int = 4096,
        temperature: float = 0.07,
        estimator: Estimator = "softmax",
        projector: ProjectorKind = "linear",
        projection_dim: int = 128,
        bank_momentum: float = 0.5,
        bank_in_host_memory: bool = False,
        weight: float = 1.0,
    ) -> None:
        check_arguments(SampledContrast.__init__, locals())
        whole("dim", dim)
        super().__init__(
            dim,
            num_images,
            projector=projector,
            projection_dim=projection_dim,
            bank_momentum=bank_momentum,
            bank_in_host_memory=bank_in_host_memory,
            needs_labels=False,
            weight=weight,
        )
        self.num_negatives = num_negatives
        self.temperature = temperature
        self.estimator = estimator
        self._lacks_partition = estimator == "nce"
        if estimator == "nce":
            # Beside the rows, so that it is neither averaged nor sent at each step. nan: not yet.
            log_partition = torch.full((), torch.nan)
            self.memory_bank.register_buffer("log_partition", log_partition)
            self.register_load_state_dict_post_hook(_look_for_partition)

    def contrast(self, query: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        if self.estimator == "softmax":
            return self._sweep(query, indices, sampled_softmax).mean()
        partition = self._log_partition()
        if self._lacks_partition:
            partition.copy_(self._estimate_log_partition(query.detach(), indices))
            self._lacks_partition = False
        loss = functools.partial(
            noise_contrast,
            log_partition=partition.to(query.device),
            num_images=self.memory_bank.size,
        )
        return self._sweep(query, indices, loss).mean()

    def highest_negative(self, query: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        cosine = self._sweep(query, indices, lambda similarities: similarities[:, 1:].amax(1))
        return cosine * self.temperature

    def structure(self) -> dict[str, Any]:
        return {**super().structure(), "estimator": self.estimator}

    def _log_partition(self) -> Tensor:
        return self.memory_bank.get_buffer("log_partition")

    def _sweep(self, query: Tensor, indices: Tensor, loss: Any) -> Tensor:
        """``(B,)`` what `loss` makes of the similarities ``(b, 1 + K)`` of each slice."""
        bank = self.memory_bank
        places = indices.to(bank.features.device)

        def fetch(part: slice) -> Tensor:
            first = rank() * len(indices) + part.start
            positions = torch.arange(
                first, first + part.stop - part.start, device=bank.features.device
            )
            drawn = bank.draw(positions, self.num_negatives)  # (b, K)
            chosen = torch.cat([places[part, None], drawn], 1)  # (b, 1 + K)
            return bank.rows(chosen, device=query.device)

        return contrast_samples(
            query, fetch, num_rows=1 + self.num_negatives, temperature=self.temperature, loss=loss
        )

    def _estimate_log_partition(self, query: Tensor, indices: Tensor) -> Tensor:
        """Log Z: of N times the mean of exp(s_j) over all pairs of the global batch."""
        logs = gather(self._sweep(query, indices, lambda similarities: similarities.logsumexp(1)))
        pairs = len(query) * world_size() * (1 + self.num_negatives)
        return logs.logsumexp(0) + math.log(self.memory_bank.size / pairs)


def _look_for_partition(objective: nn.Module, keys: Any) -> None:
    assert isinstance(objective, SampledContrast)
    objective._lacks_partition = bool(objective._log_partition().isnan())
