"""Intersection over union and accuracy of pixels, from confusion matrices.

Legend: B batch, N images, C classes, H x W size of an image, `...` any further dimensions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from instdisc.types import IGNORED_CLASS


def confusion_matrix(
    predictions: Tensor, labels: Tensor, num_classes: int, *, ignored: int = IGNORED_CLASS
) -> Tensor:
    """How often each true class is predicted as each class, per image.

    Args:
        predictions: ``(B, ...)`` integer classes, e.g. ``(B, H, W)``.
        labels: of the same shape, integer classes; `ignored` where a pixel does not count.
        num_classes: C.
        ignored: of `labels`.

    Returns:
        ``(B, C, C)`` int64 on the same device; row = true class, column = predicted class.

    Raises:
        ValueError: if the shapes differ, or a class is outside 0 to C - 1.

    Example:
        >>> confusion_matrix(torch.tensor([[0, 1, 1]]), torch.tensor([[0, 0, 255]]), 2)
        tensor([[[1, 1],
                 [0, 0]]])
    """
    if predictions.shape != labels.shape or labels.ndim < 1:
        raise ValueError(
            f"`predictions` must have the shape of the labels, {tuple(labels.shape)}, "
            f"got {tuple(predictions.shape)}"
        )
    count, cells = len(labels), num_classes * num_classes
    truth, found = labels.flatten(1).long(), predictions.flatten(1).long()  # (B, pixels)
    bad = ((truth < 0) | (truth >= num_classes)) & (truth != ignored)
    bad |= ((found < 0) | (found >= num_classes)) & (truth != ignored)
    # Two more cells per image, so that nothing depends on how many pixels are ignored.
    cell = torch.where(truth == ignored, cells, truth * num_classes + found)
    cell = torch.where(bad, cells + 1, cell)
    cell += torch.arange(count, device=cell.device)[:, None] * (cells + 2)
    counts = torch.bincount(cell.flatten(), minlength=count * (cells + 2)).view(count, -1)
    if bool(counts[:, -1].any()):
        one = bad.nonzero()[0].tolist()
        raise ValueError(
            f"`predictions` and `labels` must lie in 0 to {num_classes - 1}, or the label be "
            f"{ignored} (ignored), got prediction {int(found[one[0], one[1]])} for label "
            f"{int(truth[one[0], one[1]])}"
        )
    return counts[:, :cells].view(count, num_classes, num_classes)


def class_iou(matrix: Tensor) -> Tensor:
    """Intersection over union of each class: ``TP / (TP + FP + FN)``.

    Args:
        matrix: ``(..., C, C)`` counts, row = true class.

    Returns:
        ``(..., C)`` float64 in [0, 1]; NaN for a class that is neither there nor predicted.

    Example:
        >>> class_iou(torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
        tensor([0.7500, 0.6667,    nan], dtype=torch.float64)
    """
    matrix = matrix.double()
    hits = matrix.diagonal(dim1=-2, dim2=-1)
    return hits / (matrix.sum(-1) + matrix.sum(-2) - hits)


def mean_iou(matrix: Tensor) -> Tensor:
    """Mean of `class_iou` over the classes that are there or predicted.

    Args:
        matrix: ``(..., C, C)`` counts, row = true class.

    Returns:
        ``(...)`` float64 in [0, 1]; NaN if no pixel counts.

    Source:
        The evaluation of Cityscapes and PASCAL VOC: counts are summed over all images first.

    Example:
        >>> mean_iou(torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
        tensor(0.7083, dtype=torch.float64)
    """
    return class_iou(matrix).nanmean(-1)


def pixel_accuracy(matrix: Tensor) -> Tensor:
    """Share of the pixels whose predicted class is their own.

    Args:
        matrix: ``(..., C, C)`` counts, row = true class.

    Returns:
        ``(...)`` float64 in [0, 1]; NaN if no pixel counts.

    Example:
        >>> pixel_accuracy(torch.tensor([[3, 1], [0, 4]]))
        tensor(0.8750, dtype=torch.float64)
    """
    matrix = matrix.double()
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1) / matrix.sum((-2, -1))


class SegmentationResult(NamedTuple):
    """What `SegmentationScores` computes.

    Attributes:
        mean_iou: () float64.
        pixel_accuracy: () float64.
        class_iou: ``(C,)`` float64; NaN for a class that is neither there nor predicted.
        matrix: ``(C, C)`` int64, row = true class.
        matrices: ``(N, C, C)`` int32 of each image, or empty.
    """

    mean_iou: Tensor
    pixel_accuracy: Tensor
    class_iou: Tensor
    matrix: Tensor
    matrices: Tensor


class SegmentationScores(Metric):
    """Mean IoU, class IoU and pixel accuracy over batches and processes.

    One confusion matrix is kept on the device and summed over the processes: exact, whatever
    the batches are.

    Args:
        num_classes: C.
        ignored: of the labels.
        per_image: keep the matrix of each image too, for intervals; the images of several
            processes come process by process.

    Raises:
        ValueError: if `num_classes` is below 2; in `update` as `confusion_matrix`; in `compute`,
            if not one pixel had a class.

    Example:
        >>> scores = SegmentationScores(2)
        >>> scores.update(torch.tensor([[0, 1, 1, 1]]), torch.tensor([[0, 0, 1, 255]]))
        >>> result = scores.compute()
        >>> result.mean_iou, result.class_iou
        (tensor(0.5000, dtype=torch.float64), tensor([0.5000, 0.5000], dtype=torch.float64))
    """

    full_state_update = False
    matrix: Tensor
    matrices: list[Tensor]

    def __init__(
        self, num_classes: int, *, ignored: int = IGNORED_CLASS, per_image: bool = False
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"`num_classes` must be at least 2, got {num_classes}")
        self.num_classes = num_classes
        self.ignored = ignored
        self.per_image = per_image
        zeros = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        self.add_state("matrix", default=zeros, dist_reduce_fx="sum")
        if per_image:
            self.add_state("matrices", default=[], dist_reduce_fx="cat")

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Adds ``(B, ...)`` predicted classes with labels of the same shape."""
        found = confusion_matrix(predictions, labels, self.num_classes, ignored=self.ignored)
        self.matrix += found.sum(0)
        if self.per_image:
            self.matrices.append(found.int())

    def compute(self) -> SegmentationResult:
        if not bool(self.matrix.any()):
            raise ValueError("segmentation scores need a pixel with a class, got none")
        matrices = self.matrix.new_empty(0, *self.matrix.shape, dtype=torch.int32)
        if self.per_image:
            kept: Any = self.matrices  # joined already, where processes were
            matrices = kept if torch.is_tensor(kept) else torch.cat(kept)
        return SegmentationResult(
            mean_iou(self.matrix),
            pixel_accuracy(self.matrix),
            class_iou(self.matrix),
            self.matrix.clone(),
            matrices,
        )
