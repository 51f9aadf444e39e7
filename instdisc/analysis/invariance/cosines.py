"""How much alike two views of an image, or two images of a class, are to a representation.

Legend: N images, D width, C classes, u unit vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.transfer import Features

from ..inputs import FEWEST, class_rows, feature_rows, paired_rows, unit_rows

_LEAST = 1e-9  # 1 - base: below it all images look the same


@checked_call()
def invariance(features: Tensor | Features, transformed: Tensor | Features) -> float:
    """How much of what tells images apart a transform leaves as it is.

        invariance = (c - base) / (1 - base)

    with c the mean cosine between f(x) and f(Tx), and the base the mean cosine between different
    images: 1 = the transform changes nothing, 0 = an image and its transform are no more alike
    than two images.

    Args:
        features: ``(N, D)`` of the images.
        transformed: ``(N, D)`` of the same images after T.

    Raises:
        TypeError, ValueError: see `paired_rows`; if a row is zero and so has no direction, or all
            images look the same (base 1).

    Source:
        The quotient is the library's own; mean cosines of different samples as a zero line:
        Ethayarajh (2019).

    Example:
        >>> features = torch.eye(4)
        >>> invariance(features, features), invariance(features, features.roll(1, 0))
        (1.0, 0.0)
    """
    rows, changed = paired_rows(("features", "transformed"), features, transformed)
    checks.shape("transformed", changed, tuple(rows.shape))
    units = unit_rows("features", rows)
    cosines = row_cosines(units, unit_rows("transformed", changed))
    return float(above_base(cosines.mean(), units))


@checked_call()
def intra_category_invariance(features: Tensor | Features, labels: Tensor) -> float:
    """The same quotient for pairs of different images of one class; every pair counts alike.

        (mean cosine of pairs of one class - base) / (1 - base)

    Args:
        features: ``(N, D)`` of the images.
        labels: ``(N,)`` int64; images of unknown class, -1, are left out.

    Raises:
        TypeError, ValueError: see `invariance` and `class_rows`; if no class has two images.

    Source:
        Zhao et al. (2021) argue that supervised pretraining enforces it and that it harms
        transfer; they give no number for it. The quotient is the library's own.

    Example:
        >>> features = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
        >>> intra_category_invariance(features, torch.tensor([0, 0, 1, 1]))
        1.0
    """
    rows = feature_rows("features", features)
    positions, classes = class_rows("labels", labels, len(rows), at_least=FEWEST)
    units = unit_rows("features", feature_rows("features", rows[positions]))
    sums, counts = class_cosines(units, classes)
    if not float(counts.sum()):
        checks.refuse("labels", "of a class with two images or more", sorted(labels.tolist())[:20])
    return float(above_base(sums.sum() / counts.sum(), units))


def row_cosines(units: Tensor, others: Tensor) -> Tensor:
    """Cosine of each row with its counterpart, ``(N,)``; exactly 1 of equal rows."""
    return 1 - (units - others).square().sum(1) / 2


def other_cosines(units: Tensor) -> Tensor:
    """Mean cosine of each image with all others, ``(N,)``; its mean is the base."""
    return (units @ units.sum(0) - units.square().sum(1)) / (len(units) - 1)


def class_cosines(units: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the cosines of each image with the others of its class, and their number, ``(N,)``.

    Args:
        units: ``(N, D)``.
        classes: ``(N,)`` int64, 0 to C - 1.
    """
    means = torch.zeros(int(classes.max()) + 1, units.shape[1], dtype=units.dtype)
    means.index_add_(0, classes, units)  # sums (C, D)
    sums = (units * means[classes]).sum(1) - units.square().sum(1)
    return sums, (classes.bincount() - 1)[classes].double()


def above_base(cosine: Tensor, units: Tensor, name: str = "features") -> Tensor:
    """(c - base) / (1 - base) of a mean cosine and unit rows ``(N, D)``.

    Raises:
        ValueError: if the base is 1.
    """
    base = other_cosines(units).mean()
    if float(1 - base) < _LEAST:
        checks.refuse(
            name,
            "of different directions",
            f"a mean cosine of {float(base):.12g}",
            "All images look the same: the representation has collapsed.",
        )
    return (cosine - base) / (1 - base)
