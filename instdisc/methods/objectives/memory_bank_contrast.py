"""Contrast of queries with the stored rows of all images, as a term of a total loss.

Legend: B batch on this process, N images, C rows of one slice, D width of the projection.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc.checks import whole
from instdisc.losses import ContrastiveLoss
from instdisc.losses.other_images import OtherImages, image_labels
from instdisc.losses.sweep import slices
from instdisc.models.projector import ProjectorKind
from instdisc.types import Bank

from ..arguments import check_arguments
from .memory_bank import MemoryBankObjective
from .readings import repelling


class MemoryBankContrast(MemoryBankObjective):
    """A contrastive loss with its projector and a memory bank of all images.

    The own row is the own key of a query, and the rows of all other images are its bank: with
    `InstanceDiscriminationLoss` the softmax over all images (non-parametric softmax). The rules of
    any other `ContrastiveLoss` hold, too: `ExemplarLoss` makes exemplar instance discrimination,
    `SupConLoss` supervised contrast with the rows of the class. An image that has not been seen yet
    has a random row of unknown class.

    The rows stay on the device, which reads all of them in each step; no tensor of B x N is kept.

    Args:
        dim: width of the features.
        loss: which rows attract and repel.
        num_images: N, the number of training images; batches must have their positions
            (``indices`` of `Views`).
        projector: ``"linear"`` or ``"mlp"``.
        projection_dim: D.
        bank_momentum: m of the rows, M_i <- normalise(m M_i + (1 - m) v_i).
        needs_labels: refuse images of unknown class.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if an argument is out of range; in training, if a batch has no ``indices``.

    Source:
        Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"
        (2018), equation 2. With the other losses it is new.

    Example:
        >>> from instdisc.losses import ExemplarLoss
        >>> term = MemoryBankContrast(8, ExemplarLoss(0.07), num_images=1000)
        >>> term.memory_bank.features.shape
        torch.Size([1000, 128])
    """

    def __init__(
        self,
        dim: int,
        loss: ContrastiveLoss,
        *,
        num_images: int,
        projector: ProjectorKind = "linear",
        projection_dim: int = 128,
        bank_momentum: float = 0.5,
        needs_labels: bool = False,
        weight: float = 1.0,
    ) -> None:
        check_arguments(MemoryBankContrast.__init__, locals())
        whole("dim", dim)
        super().__init__(
            dim,
            num_images,
            projector=projector,
            projection_dim=projection_dim,
            bank_momentum=bank_momentum,
            bank_in_host_memory=False,
            needs_labels=needs_labels,
            weight=weight,
        )
        self.loss = loss
        self.temperature = loss.temperature

    def contrast(self, query: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        loss, bank, images = self._all_rows(labels, indices)
        mean: Tensor = loss(query, self.memory_bank.rows(indices), bank, images)
        return mean

    def highest_negative(self, query: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        loss, bank, images = self._all_rows(labels, indices)
        highest = query.new_full((len(query),), -torch.inf)
        for part in slices(bank, len(query)):
            similarity = query @ part.features.to(query.dtype).T  # (B, C)
            negatives = repelling(loss, images, part.labels)  # never the own row
            highest = torch.maximum(highest, similarity.where(negatives, -torch.inf).amax(1))
        return highest

    def _all_rows(self, labels: Tensor, indices: Tensor) -> tuple[OtherImages, Bank, Tensor]:
        """The loss, the bank, and the labels ``(B,)`` of the queries for it."""
        bank, count = self.memory_bank.bank(), self.memory_bank.size
        every = torch.arange(count, device=bank.labels.device)  # (N,)
        rows = Bank(bank.features, image_labels(every, bank.labels, count))
        return OtherImages(self.loss, count), rows, image_labels(indices, labels, count)
