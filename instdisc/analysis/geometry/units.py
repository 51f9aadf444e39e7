"""Features on the unit sphere, and what is summed up per class there.

Legend: N images, D width, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.transfer import Features

from ..inputs import FEWEST, class_rows, feature_rows, unit_rows


class ClassUnits(NamedTuple):
    """Unit vectors with classes.

    Attributes:
        units: ``(N, D)`` float64 of length 1, images of known class.
        classes: ``(N,)`` int64, 0 to C - 1, each of which occurs.
        counts: ``(C,)`` float64 images of each class.
        means: ``(C, D)`` float64 mean unit vector of each class.
    """

    units: Tensor
    classes: Tensor
    counts: Tensor
    means: Tensor


def class_units(features: Tensor | Features, labels: Tensor | None) -> ClassUnits:
    """Unit vectors of the images of known class.

    Args:
        features: ``(N, D)`` float, or `Features`.
        labels: ``(N,)`` int64, -1 where unknown; ``None``: those of `Features`.

    Raises:
        TypeError, ValueError: see `unit_rows`, `class_rows`.
    """
    rows, classes = labelled_rows(features, labels)
    units = unit_rows("features", rows)
    return ClassUnits(units, classes, *class_means(units, classes))


def labelled_rows(features: Tensor | Features, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """``(M, D)`` float64 features of the images of known class, and their classes ``(M,)``.

    Raises:
        TypeError, ValueError: see `feature_rows`, `class_rows`.
    """
    rows = matrix_of(features)
    labels = labels_of(features, labels)
    # Of fewer images in all it is `features` that are refused.
    fewest = min(FEWEST, len(rows))
    positions, classes = class_rows("labels", labels, len(rows), at_least=fewest)
    return feature_rows("features", rows[positions]), classes


def class_means(rows: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """``(C,)`` counts and ``(C, D)`` means of the rows of each class."""
    counts = classes.bincount().to(rows.dtype)
    sums = rows.new_zeros(len(counts), rows.shape[1]).index_add_(0, classes, rows)
    return counts, sums / counts[:, None]


def matrix_of(features: Tensor | Features) -> Tensor:
    """The features alone, as a matrix.

    Raises:
        TypeError, ValueError: if they are no tensor ``(N, D)``.
    """
    rows = features.features if isinstance(features, Features) else features
    return checks.shape("features", rows, ("N", "D"))


def labels_of(features: Tensor | Features, labels: Tensor | None) -> Tensor:
    """Labels that were given, or else those of `Features`.

    Raises:
        TypeError: if there are none.
    """
    if labels is None and isinstance(features, Features):
        return features.labels
    return checks.instance("labels", labels, torch.Tensor, "a tensor (N,)")  # type: ignore[return-value]
