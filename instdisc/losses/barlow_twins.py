"""Redundancy reduction by the correlations of two views.

Legend: B batch on this process, W processes, N = W B images, D width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instdisc.checks import not_negative

from .two_views import column_products, gather_views

_EPS = 1e-5  # of the batch norm that standardises the columns


class BarlowTwinsTerms(NamedTuple):
    """The two sums of the loss, without factors.

    Attributes:
        invariance: of the squared differences of the diagonal from 1.
        redundancy: of the squares beside the diagonal.
    """

    invariance: Tensor
    redundancy: Tensor


def barlow_twins_loss(
    first: Tensor, second: Tensor, *, redundancy_weight: float = 0.0051
) -> Tensor:
    r"""How far the correlations between the columns of two views are from the identity.

    With C the D x D correlations over the images of all processes,

    .. math::
        L = \sum_i (C_{ii} - 1)^2 + \lambda \sum_{i \ne j} C_{ij}^2

    Args:
        first: ``(B, D)`` outputs for one view; not normalised.
        second: ``(B, D)`` for the other; row i is of the image of row i of `first`. B is the same
            on every process.
        redundancy_weight: :math:`\lambda`.

    Returns:
        Scalar, float32 (float64 for float64 outputs), that of the global batch on every process;
        DDP's mean of the gradients is the gradient of it.

    Raises:
        TypeError: if one is no float tensor, or a weight no number.
        ValueError: if their shapes differ, there are fewer than two images, or a weight is
            negative or not finite.

    Source:
        Zbontar et al., "Barlow Twins" (2021), equations 1 and 2. Differs from its code: on W
        processes the gradient is that of the loss, and not 1/W of it; C is divided by the number
        of images of the batch at hand, also if it is a smaller last one; where N is small beside
        D the squares are added up without the D x D matrix.

    Example:
        >>> views = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
        >>> round(float(barlow_twins_loss(views, views)), 4)
        0.0
        >>> float(barlow_twins_loss(views, -views).round())
        8.0
    """
    not_negative("redundancy_weight", redundancy_weight)
    terms = barlow_twins_terms(first, second)
    return terms.invariance + redundancy_weight * terms.redundancy


def barlow_twins_terms(first: Tensor, second: Tensor) -> BarlowTwinsTerms:
    """The two sums of `barlow_twins_loss`, which says what is refused.

    Args:
        first: ``(B, D)``.
        second: ``(B, D)``.
    """
    first, second = gather_views(first, second)
    with torch.autocast(first.device.type, enabled=False):
        count = len(first)
        products, squares = column_products(_standardise(first), _standardise(second))
        return BarlowTwinsTerms((products / count - 1).square().sum(), squares / count**2)


def _standardise(rows: Tensor) -> Tensor:
    """Batch norm over all rows, without weight, bias and running statistics."""
    centred = rows - rows.mean(0)
    return centred * (centred.square().mean(0) + _EPS).rsqrt()
