"""Invariance of two views, with variance and covariance of each kept in order.

Legend: B batch on this process, W processes, N = W B images, D width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc.checks import not_negative

from .two_views import column_products, gather_views

_EPS = 1e-4  # added to the variance before the root is taken


class VICRegTerms(NamedTuple):
    """The three terms of the loss, without factors.

    Attributes:
        invariance: mean squared difference of the views, over images and columns.
        variance: mean over the columns of what the standard deviation lacks of 1; mean of both
            views.
        covariance: sum of the squared covariances of different columns over D; sum of both views.
    """

    invariance: Tensor
    variance: Tensor
    covariance: Tensor


def vicreg_loss(
    first: Tensor,
    second: Tensor,
    *,
    invariance_weight: float = 25.0,
    variance_weight: float = 25.0,
    covariance_weight: float = 1.0,
) -> Tensor:
    r"""Squared difference of two views, while each column varies and no two columns vary together.

    With :math:`z, z'` the two views, :math:`V_i` and :math:`C_{ij}` the variances and covariances
    (over N - 1) of a view's columns over the images of all processes,

    .. math::
        L = \frac{\lambda}{N D} \sum (z - z')^2
            + \frac{\mu}{2} \sum_{\text{views}} \frac{1}{D} \sum_i \max(0, 1 - \sqrt{V_i + 10^{-4}})
            + \nu \sum_{\text{views}} \frac{1}{D} \sum_{i \ne j} C_{ij}^2

    Args:
        first: ``(B, D)`` outputs for one view; not normalised.
        second: ``(B, D)`` for the other; row i is of the image of row i of `first`. B is the same
            on every process.
        invariance_weight: :math:`\lambda`.
        variance_weight: :math:`\mu`.
        covariance_weight: :math:`\nu`.

    Returns:
        Scalar, float32 (float64 for float64 outputs), that of the global batch on every process;
        DDP's mean of the gradients is the gradient of it.

    Raises:
        TypeError: if one is no float tensor, or a weight no number.
        ValueError: if their shapes differ, there are fewer than two images, or a weight is
            negative or not finite.

    Source:
        Bardes et al., "VICReg" (2022), equation 6, with the variance term of its code: the mean
        of both views, where the paper has the sum. Differs from its code: covariances are divided
        by the number of images of the batch at hand less 1, also if it is a smaller last one;
        where N is small beside D their squares are added up without the D x D matrix.

    Example:
        >>> zeros = torch.zeros(4, 8)
        >>> round(float(vicreg_loss(zeros, zeros)), 4)  # 25 (1 - sqrt(1e-4)): collapsed
        24.75
    """
    not_negative("invariance_weight", invariance_weight)
    not_negative("variance_weight", variance_weight)
    not_negative("covariance_weight", covariance_weight)
    terms = vicreg_terms(first, second)
    return (
        invariance_weight * terms.invariance
        + variance_weight * terms.variance
        + covariance_weight * terms.covariance
    )


def vicreg_terms(first: Tensor, second: Tensor) -> VICRegTerms:
    """The three terms of `vicreg_loss`, which says what is refused.

    Args:
        first: ``(B, D)``.
        second: ``(B, D)``.
    """
    first, second = gather_views(first, second)
    with torch.autocast(first.device.type, enabled=False):
        of_first, of_second = _spread(first), _spread(second)
        return VICRegTerms(
            F.mse_loss(first, second),
            (of_first[0] + of_second[0]) / 2,
            of_first[1] + of_second[1],
        )


def _spread(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The variance and the covariance term of a view."""
    count, width = rows.shape
    centred = (rows - rows.mean(0)) / (count - 1) ** 0.5
    variances, squares = column_products(centred, centred)
    return F.relu(1 - (variances + _EPS).sqrt()).mean(), squares / width
