"""Accuracy over the classes, and calibration.

Legend: N images, C classes, `...` any further dimensions, for example resamples.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from instdisc import checks
from instdisc.checks import checked_call

from .inputs import check_classes, check_confidences, check_features, check_pairs


@checked_call()
def accuracy(predictions: Tensor, labels: Tensor) -> Tensor:
    """Share of the images whose predicted class is their own (top-1).

    Args:
        predictions: ``(..., N)`` int64 classes.
        labels: ``(..., N)`` int64.

    Returns:
        ``(...)`` float64 in [0, 1].

    Raises:
        TypeError: if they are no whole numbers.
        ValueError: if there is no image, the shapes differ, or a label is negative.

    Example:
        >>> accuracy(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 2, 2]))
        tensor(0.7500, dtype=torch.float64)
    """
    _check_predictions(predictions, labels)
    return (predictions == labels).double().mean(-1)


@checked_call()
def mean_per_class_accuracy(predictions: Tensor, labels: Tensor) -> Tensor:
    """Accuracy within each class that occurs in the labels, averaged over these classes.

    Args:
        predictions: ``(..., N)`` int64 classes.
        labels: ``(..., N)`` int64, from 0 on.

    Returns:
        ``(...)`` float64 in [0, 1].

    Raises:
        TypeError: if they are no whole numbers.
        ValueError: if there is no image, the shapes differ, or a label is negative.

    Source:
        Ericsson et al., "How Well Do Self-Supervised Models Transfer?" (2021), for data sets of
        unequal classes. torchmetrics' macro average counts a class that is predicted, but has no
        image, as 0; here it does not count.

    Example:
        >>> mean_per_class_accuracy(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 1]))
        tensor(0.7500, dtype=torch.float64)
    """
    _check_predictions(predictions, labels)
    labels = labels.long()
    num_classes = int(labels.max()) + 1
    hits = (predictions == labels).double()
    empty = hits.new_zeros(*labels.shape[:-1], num_classes)
    right = empty.scatter_add(-1, labels, hits)  # (..., C)
    images = empty.scatter_add(-1, labels, torch.ones_like(hits))
    return (right / images.clamp(min=1)).sum(-1) / (images > 0).sum(-1)


@checked_call()
def calibration_error(confidences: Tensor, hits: Tensor, *, num_bins: int = 15) -> Tensor:
    """Expected calibration error: how far confidence and accuracy lie apart, over bins.

    ``sum_m |B_m| / N |accuracy(B_m) - confidence(B_m)|``, where bin m holds the images of
    confidence in ``((m - 1) / M, m / M]``.

    Args:
        confidences: ``(..., N)`` float in [0, 1], the probability of the predicted class.
        hits: ``(..., N)`` bool, whether the prediction is right.
        num_bins: M.

    Returns:
        ``(...)`` float64 in [0, 1].

    Raises:
        TypeError: if `hits` are not bool, or `num_bins` is no whole number.
        ValueError: if there is no image, the shapes differ, `num_bins` is not positive, or a
            confidence is NaN or lies outside [0, 1].

    Source:
        Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 3. torchmetrics
        keeps a bin of its own for confidences of exactly 1, which float32 makes common, and so
        gives more.

    Example:
        >>> calibration_error(torch.tensor([1.0, 0.95]), torch.tensor([False, True]))
        tensor(0.4750, dtype=torch.float64)
    """
    check_confidences(confidences, hits)
    gaps, _ = _bin(confidences, hits, num_bins)
    return gaps.abs().sum(-1) / confidences.shape[-1]


class MeanPerClassAccuracy(Metric):
    """`mean_per_class_accuracy` over batches and processes; images of label -1 are left out.

    Args:
        num_classes: C.

    Raises:
        TypeError, ValueError: if `num_classes` is no positive whole number; in `update`, if the
            shapes differ, or a label is outside the classes; in `compute`, if there was no
            labelled image.

    Example:
        >>> metric = MeanPerClassAccuracy(2)
        >>> metric.update(torch.tensor([0, 0]), torch.tensor([0, 0]))
        >>> metric.update(torch.tensor([0, 1]), torch.tensor([1, 1]))
        >>> metric.compute()
        tensor(0.7500, dtype=torch.float64)
    """

    full_state_update = False
    right: Tensor
    images: Tensor

    @checked_call()
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        for name in ("right", "images"):
            zeros = torch.zeros(num_classes, dtype=torch.int64)
            self.add_state(name, default=zeros, dist_reduce_fx="sum")

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Adds ``(n,)`` predicted classes with labels ``(n,)``."""
        checks.shape("labels", labels, ("n",))
        checks.dtype(
            "predictions", checks.shape("predictions", predictions, labels.shape), checks.INTEGERS
        )
        labelled = check_classes("labels", labels, self.num_classes, unknown=True) >= 0
        truth = labels[labelled].long()
        hits = (predictions[labelled] == truth).long()
        self.right.index_add_(0, truth, hits)
        self.images.index_add_(0, truth, torch.ones_like(hits))

    def compute(self) -> Tensor:
        seen = self.images > 0
        if not seen.any():
            raise ValueError("mean per-class accuracy needs a labelled image, got none")
        return (self.right[seen].double() / self.images[seen]).mean()


class CalibrationError(Metric):
    """`calibration_error` over batches and processes; images of label -1 are left out.

    Args:
        num_bins: M.

    Raises:
        TypeError, ValueError: if `num_bins` is no positive whole number; in `update`, if the
            shapes differ, a logit is not finite, or a label is outside the classes; in `compute`,
            if there was no labelled image.

    Example:
        >>> metric = CalibrationError()
        >>> metric.update(torch.tensor([[0.0, 9.0]]), torch.tensor([1]))
        >>> metric.update(torch.tensor([[9.0, 0.0]]), torch.tensor([1]))
        >>> metric.compute()
        tensor(0.4999, dtype=torch.float64)
    """

    full_state_update = False
    gaps: Tensor
    images: Tensor

    @checked_call()
    def __init__(self, num_bins: int = 15) -> None:
        super().__init__()
        self.num_bins = num_bins
        zeros = torch.zeros(num_bins, dtype=torch.float64)
        self.add_state("gaps", default=zeros, dist_reduce_fx="sum")
        self.add_state("images", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Adds logits ``(n, C)`` with labels ``(n,)``."""
        check_features("logits", logits)
        checks.shape("labels", labels, (len(logits),))
        labelled = check_classes("labels", labels, logits.shape[1], unknown=True) >= 0
        if labelled.any():
            confidences, predictions = logits[labelled].float().softmax(1).max(1)
            self.gaps += _bin(confidences, predictions == labels[labelled], self.num_bins)[0]
            self.images += labelled.sum()

    def compute(self) -> Tensor:
        if not int(self.images):
            raise ValueError("calibration error needs a labelled image, got none")
        return self.gaps.abs().sum() / self.images


def _bin(confidences: Tensor, hits: Tensor, num_bins: int) -> tuple[Tensor, Tensor]:
    """Per bin the sum of (hit - confidence), and the bin of each image."""
    bins = (confidences.double() * num_bins).ceil().long().clamp(1, num_bins) - 1
    gaps = hits.double() - confidences.double()
    return gaps.new_zeros(*gaps.shape[:-1], num_bins).scatter_add(-1, bins, gaps), bins


def _check_predictions(predictions: Tensor, labels: Tensor) -> None:
    checks.dtype("predictions", predictions, checks.INTEGERS)
    checks.dtype("labels", labels, checks.INTEGERS)
    check_pairs("predictions", predictions, "labels", labels)
    check_classes("labels", labels)
    check_classes("predictions", predictions)
