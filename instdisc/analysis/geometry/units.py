"""Features on the unit sphere, and what is summed up per class there.

Legend: N images, D width, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.transfer import Features

from ..inputs import Words, class_rows, feature_rows


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


def unit_rows(name: str, features: Tensor | Features) -> Tensor:
    """Features divided by their lengths.

    Args:
        name: of the argument.
        features: ``(N, D)`` float, or `Features`.

    Returns:
        ``(N, D)`` float64.

    Raises:
        TypeError, ValueError: see `feature_rows`; if a row is zero: it has no direction.

    Example:
        >>> unit_rows("features", torch.tensor([[3.0, 4], [1, 0], [0, 0], [0, 1]]))
        Traceback (most recent call last):
        ValueError: `features` must be without rows of zeros, which have no direction, got image 2
    """
    rows = feature_rows(name, features)
    # By the largest number first: squares of tiny numbers are 0.
    sizes = rows.abs().amax(1, keepdim=True)
    zero = (sizes[:, 0] == 0).nonzero()[:, 0]
    if len(zero):
        checks.refuse(
            name,
            "without rows of zeros, which have no direction",
            Words(f"image {int(zero[0])}"),
        )
    rows = rows / sizes
    return rows.div_(rows.norm(dim=1, keepdim=True))


def class_units(features: Tensor | Features, labels: Tensor | None) -> ClassUnits:
    """Unit vectors of the images of known class.

    Args:
        features: ``(N, D)`` float, or `Features`.
        labels: ``(N,)`` int64, -1 where unknown; ``None``: those of `Features`.

    Raises:
        TypeError, ValueError: see `unit_rows`, `class_rows`.
    """
    labels = labels_of(features, labels)
    positions, classes = class_rows("labels", labels, len(matrix_of(features)))
    units = unit_rows("features", matrix_of(features)[positions])
    return ClassUnits(units, classes, *class_means(units, classes))


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
