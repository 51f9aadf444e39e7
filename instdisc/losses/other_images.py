"""A loss against a bank that holds every image, the query's own among them.

Legend: B queries, N images, C keys of one slice.
"""

from __future__ import annotations

from torch import Tensor

from .contrastive import ContrastiveLoss


class OtherImages(ContrastiveLoss):
    """The rules of a loss for all images of a bank but the query's own.

    The own row of the bank is the query's own key, and would be counted twice. The labels here are
    those of `image_labels`: they name image and class.

    Args:
        loss: whose rules, by class, and temperature hold.
        num_images: N.

    Example:
        >>> import torch
        >>> from instdisc.losses import InstanceDiscriminationLoss
        >>> from instdisc.types import Bank
        >>> loss = OtherImages(InstanceDiscriminationLoss(1.0), 2)
        >>> images = image_labels(torch.arange(2), torch.tensor([-1, -1]), 2)
        >>> rows = torch.eye(2)
        >>> loss(rows[:1], rows[:1], Bank(rows, images), images[:1])  # log(1 + exp(0 - 1))
        tensor(0.3133)
    """

    def __init__(self, loss: ContrastiveLoss, num_images: int) -> None:
        super().__init__(loss.temperature)
        self.loss = loss
        self.num_images = num_images
        self.weights_have_gradient = loss.weights_have_gradient  # type: ignore[misc]  # as its class
        self.weights_are_relative = loss.weights_are_relative  # type: ignore[misc]

    def positives(self, labels: Tensor, bank_labels: Tensor) -> Tensor | None:
        marked = self.loss.positives(self._classes(labels), self._classes(bank_labels))
        return None if marked is None else marked & self._other(labels, bank_labels)

    def negatives(self, labels: Tensor, bank_labels: Tensor) -> Tensor:
        marked = self.loss.negatives(self._classes(labels), self._classes(bank_labels))
        other = self._other(labels, bank_labels)
        return other if marked is None else marked & other

    def log_weights(
        self, similarities: Tensor, labels: Tensor, bank_labels: Tensor
    ) -> Tensor | None:
        classes, bank_classes = self._classes(labels), self._classes(bank_labels)
        return self.loss.log_weights(similarities, classes, bank_classes)

    def log_bank_sum(self, log_sum: Tensor, key_similarity: Tensor, num_keys: Tensor) -> Tensor:
        return self.loss.log_bank_sum(log_sum, key_similarity, num_keys)

    def _classes(self, labels: Tensor) -> Tensor:
        return labels.div(self.num_images, rounding_mode="floor") - 1

    def _other(self, labels: Tensor, bank_labels: Tensor) -> Tensor:
        """``(B, C)`` bool: not the same image."""
        return (labels % self.num_images)[:, None] != bank_labels % self.num_images


def image_labels(indices: Tensor, classes: Tensor, num_images: int) -> Tensor:
    """Numbers that name images and their classes, for `OtherImages`.

    Args:
        indices: ``(B,)`` int64 in [0, N).
        classes: ``(B,)`` int64; ``-1`` where unknown.
        num_images: N.

    Returns:
        ``(B,)`` int64, (class + 1) N + index.

    Example:
        >>> import torch
        >>> image_labels(torch.tensor([3, 4]), torch.tensor([-1, 2]), 10)
        tensor([ 3, 34])
    """
    return (classes.long() + 1) * num_images + indices
