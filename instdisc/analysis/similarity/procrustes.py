"""How far two representations are after the best rotation.

Legend: N images, D width of the features.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc.checks import checked_call
from instdisc.metrics import Interval
from instdisc.transfer import Features

from ..inputs import paired_rows


class ProcrustesDistance(NamedTuple):
    """A distance with its interval over images.

    Attributes:
        value: between 0 and 2.
        interval: of 95 %; see `procrustes_interval`.
    """

    value: float
    interval: Interval


@checked_call()
def procrustes(a: Tensor | Features, b: Tensor | Features) -> float:
    """Squared distance of two representations after the best rotation or reflection.

    ``2 - 2 |X'Y|_*`` with the nuclear norm, of X and Y whose columns are centred and whose
    Frobenius norm is 1: 0 where one is a rotated, scaled and moved copy of the other, at most 2.
    Like the whole-set CKA it is biased towards likeness where D comes near N.

    Args:
        a: ``(N, D)`` float, or `Features`.
        b: ``(N, D')``, of the same images in the same order.

    Returns:
        Between 0 and 2.

    Raises:
        TypeError, ValueError: see `instdisc.analysis.inputs.paired_rows`.

    Source:
        Ding, Denain and Steinhardt, "Grounding Representation Similarity with Statistical
        Testing" (2021), section 2. Not scipy's ``procrustes``, which fits the scale too.

    Example:
        >>> x = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
        >>> y = torch.randn(60, 8, generator=torch.Generator().manual_seed(1))
        >>> round(procrustes(x, 3 * x.flip(1) + 1), 6) + 0.0, round(procrustes(x, y), 2)
        (0.0, 1.37)
    """
    x, y = paired_rows(("a", "b"), a, b)
    x, y = _narrow(_unit(x)), _narrow(_unit(y))
    return 2 - 2 * float(torch.linalg.svdvals(x.T @ y).sum())


def procrustes_interval(a: Tensor | Features, b: Tensor | Features) -> ProcrustesDistance:
    """The distance with an interval over images: of a normal estimate, linearised in each image.

    With X'Y = U S V', image i adds ``x_i' U V' y_i`` to the nuclear norm and ``|x_i|^2``,
    ``|y_i|^2`` to the norms. It says how much other images would change the number, not how large
    its bias is.

    Args:
        a: ``(N, D)`` float, or `Features`.
        b: ``(N, D')``, of the same images in the same order.

    Raises:
        TypeError, ValueError: see `procrustes`.

    Example:
        >>> x = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
        >>> y = torch.randn(60, 8, generator=torch.Generator().manual_seed(1))
        >>> value, (low, high) = procrustes_interval(x, x + y)
        >>> low < value < high
        True
    """
    x, y = paired_rows(("a", "b"), a, b)
    x, y = _narrow(_unit(x)), _narrow(_unit(y))
    left, sizes, right = torch.linalg.svd(x.T @ y, full_matrices=False)
    nuclear = float(sizes.sum())
    parts = ((x @ left) * (y @ right.T)).sum(1)  # (N,), sums to the nuclear norm
    norms = x.square().sum(1) + y.square().sum(1)  # (N,), sums to 2
    error = float((parts - nuclear * norms / 2).square().sum().sqrt())
    value, half = 2 - 2 * nuclear, 2 * NormalDist().inv_cdf(0.975) * error
    return ProcrustesDistance(value, Interval(max(0.0, value - half), min(2.0, value + half)))


def _unit(rows: Tensor) -> Tensor:
    rows = rows - rows.mean(0)
    return rows / torch.linalg.matrix_norm(rows)


def _narrow(rows: Tensor) -> Tensor:
    """Rows of width N with the same inner products, where they are wider: a smaller product."""
    if rows.shape[1] <= len(rows):
        return rows
    return torch.linalg.qr(rows.T, mode="r").R.T
