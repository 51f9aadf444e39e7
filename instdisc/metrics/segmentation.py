"""Intersection over union and accuracy of pixels, from confusion matrices.

Legend: B batch, N images, C classes, H x W size of an image, `...` any further dimensions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.types import IGNORED_CLASS

from .rows import RowMetric, check_indices, empty_rows, image_order


@checked_call()
def confusion_matrix(
    predictions: Tensor, labels: Tensor, num_classes: int, *, ignored: int = IGNORED_CLASS
) -> Tensor:
    """How often each true class is predicted as each class, per image.

    torchmetrics has one that sums over the images, which leaves no interval over them. At
    2048 x 1024 pixels it takes 6.7 times as long with its checks and 1.7 times without (row
    ``confusion`` of ``examples/benchmark.py``).

    Args:
        predictions: ``(B, ...)`` integer classes, e.g. ``(B, H, W)``.
        labels: of the same shape, integer classes; `ignored` where a pixel does not count.
        num_classes: C.
        ignored: of `labels`.

    Returns:
        ``(B, C, C)`` int64 on the same device; row = true class, column = predicted class.

    Raises:
        TypeError: if they are no whole numbers.
        ValueError: if the shapes differ, or a class is outside 0 to C - 1.

    Example:
        >>> confusion_matrix(torch.tensor([[0, 1, 1]]), torch.tensor([[0, 0, 255]]), 2)
        tensor([[[1, 1],
                 [0, 0]]])
    """
    for name, classes in (("predictions", predictions), ("labels", labels)):
        checks.dtype(
            name, classes, (*checks.INTEGERS, torch.bool), remedy="Take the argmax of logits."
        )
    if not labels.ndim:
        checks.refuse("labels", "a tensor (B, ...)", labels)
    checks.same_shape("predictions", predictions, "labels", labels)
    count, cells = len(labels), num_classes * num_classes
    pixels = labels[0].numel() if count else 0
    truth, predicted = (some.reshape(count, pixels).long() for some in (labels, predictions))
    bad = ((truth < 0) | (truth >= num_classes)) & (truth != ignored)
    bad |= ((predicted < 0) | (predicted >= num_classes)) & (truth != ignored)
    # Two more cells per image, so that nothing depends on how many pixels are ignored.
    cell = torch.where(truth == ignored, cells, truth * num_classes + predicted)
    cell = torch.where(bad, cells + 1, cell)
    cell += torch.arange(count, device=cell.device)[:, None] * (cells + 2)
    counts = torch.bincount(cell.flatten(), minlength=count * (cells + 2)).view(count, cells + 2)
    if bool(counts[:, -1].any()):
        image, pixel = bad.nonzero()[0].tolist()
        wrong = int(predicted[image, pixel]), int(truth[image, pixel])
        raise ValueError(
            f"`predictions` and `labels` must lie in 0 to {num_classes - 1}, or the label be "
            f"{ignored} (ignored), got prediction {wrong[0]} for label {wrong[1]} in image {image}"
        )
    return counts[:, :cells].view(count, num_classes, num_classes)


@checked_call()
def class_iou(matrix: Tensor) -> Tensor:
    """Intersection over union of each class: ``TP / (TP + FP + FN)``.

    Args:
        matrix: ``(..., C, C)`` counts, row = true class.

    Returns:
        ``(..., C)`` float64 in [0, 1]; NaN for a class that is neither there nor predicted.

    Raises:
        TypeError: if `matrix` is no tensor.
        ValueError: if it is not square, or a number is no count.

    Example:
        >>> class_iou(torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
        tensor([0.7500, 0.6667,    nan], dtype=torch.float64)
    """
    matrix = _counts(matrix)
    hits = matrix.diagonal(dim1=-2, dim2=-1)
    return hits / (matrix.sum(-1) + matrix.sum(-2) - hits)


@checked_call()
def mean_iou(matrix: Tensor) -> Tensor:
    """Mean of `class_iou` over the classes that are there or predicted.

    Args:
        matrix: ``(..., C, C)`` counts, row = true class.

    Returns:
        ``(...)`` float64 in [0, 1].

    Raises:
        TypeError, ValueError: as `class_iou`; if not one pixel of a matrix counts.

    Source:
        The evaluation of Cityscapes and PASCAL VOC: counts are summed over all images first.

    Example:
        >>> mean_iou(torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
        tensor(0.7083, dtype=torch.float64)
    """
    return class_iou(_occupied(matrix)).nanmean(-1)


@checked_call()
def pixel_accuracy(matrix: Tensor) -> Tensor:
    """Share of the pixels whose predicted class is their own.

    Args:
        matrix: ``(..., C, C)`` counts, row = true class.

    Returns:
        ``(...)`` float64 in [0, 1].

    Raises:
        TypeError, ValueError: as `class_iou`; if not one pixel of a matrix counts.

    Example:
        >>> pixel_accuracy(torch.tensor([[3, 1], [0, 4]]))
        tensor(0.8750, dtype=torch.float64)
    """
    matrix = _occupied(_counts(matrix))
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1) / matrix.sum((-2, -1))


@checked_call()
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


class SegmentationScores(RowMetric):
    """Mean IoU, class IoU and pixel accuracy over batches and processes.

    One confusion matrix is kept on the device and summed over the processes: exact, whatever
    the batches are.

    Args:
        num_classes: C.
        ignored: of the labels.
        per_image: keep the matrix of each image too, for intervals, and so that an image counts
            once however many processes saw it. Then they come in the order of the data set,
            where that is known.

    Raises:
        TypeError, ValueError: if `num_classes` is no whole number of at least 2; in `update` as
            `confusion_matrix`, or if there are indices without `per_image`; in `compute`, if not
            one pixel had a class.

    Example:
        >>> scores = SegmentationScores(2)
        >>> scores.update(torch.tensor([[0, 1, 1, 1]]), torch.tensor([[0, 0, 1, 255]]))
        >>> result = scores.compute()
        >>> result.mean_iou, result.class_iou
        (tensor(0.5000, dtype=torch.float64), tensor([0.5000, 0.5000], dtype=torch.float64))
    """

    matrix: Tensor

    @checked_call()
    def __init__(
        self, num_classes: int, *, ignored: int = IGNORED_CLASS, per_image: bool = False
    ) -> None:
        checks.whole("num_classes", num_classes, at_least=2)
        none = torch.zeros(0, num_classes, num_classes, dtype=torch.int32)
        super().__init__({"indices": empty_rows(None, torch.int64), "matrices": none})
        self.num_classes = num_classes
        self.ignored = ignored
        self.per_image = per_image
        zeros = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        self.add_state("matrix", default=zeros, dist_reduce_fx="sum")

    def update(self, predictions: Tensor, labels: Tensor, indices: Tensor | None = None) -> None:
        """Adds ``(B, ...)`` predicted classes with labels of the same shape.

        Args:
            predictions: see `confusion_matrix`.
            labels: likewise.
            indices: ``(B,)`` positions in the data set; ``None``: every image counts.
        """
        matrices = confusion_matrix(predictions, labels, self.num_classes, ignored=self.ignored)
        if self.per_image:
            numbers = check_indices(indices, len(matrices), matrices.device)
            self.add_rows(matrices=matrices, indices=numbers)
        elif indices is not None:
            checks.refuse("indices", "None without `per_image`", indices, "Set `per_image`.")
        else:
            self.matrix += matrices.sum(0)

    def compute(self) -> SegmentationResult:
        matrices, matrix = self.rows("matrices"), self.matrix
        if self.per_image:
            matrices = matrices[image_order(self.rows("indices"))]
            matrix = matrices.sum(0, dtype=torch.int64)
        if not bool(matrix.any()):
            raise ValueError("segmentation scores need a pixel with a class, got none")
        return SegmentationResult(
            mean_iou(matrix), pixel_accuracy(matrix), class_iou(matrix), matrix.clone(), matrices
        )


def _counts(matrix: Tensor) -> Tensor:
    """Confusion matrices as float64."""
    checks.instance("matrix", matrix, Tensor, "a tensor (..., C, C)")
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        checks.refuse("matrix", "a tensor (..., C, C)", matrix)
    matrix = matrix.double()
    if not bool(((matrix >= 0) & (matrix < torch.inf)).all()):
        checks.refuse("matrix", "of counts, at least 0", matrix)
    return matrix


def _occupied(matrix: Tensor) -> Tensor:
    if bool((_counts(matrix).sum((-2, -1)) == 0).any()):
        checks.refuse(
            "matrix", "of at least one pixel", matrix, "All are ignored: leave such images out."
        )
    return matrix
