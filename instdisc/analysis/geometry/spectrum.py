"""How many directions features use: their spectrum, and numbers that sum it up.

Legend: N images, D width, K = min(N, D).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instdisc.checks import checked_call
from instdisc.transfer import Features

from ..inputs import feature_rows
from .decomposition import EXACT_SIDE, gram, singular_values

EPSILON = 1e-7


@checked_call()
class Spectrum(NamedTuple):
    """What a figure of the spectrum is drawn from, all falling.

    Attributes:
        singular_values: ``(K,)`` float64 of the features as they are.
        eigenvalues: ``(K,)`` float64 of the covariance of the features, divided by N - 1.
    """

    singular_values: Tensor
    eigenvalues: Tensor


@checked_call()
def spectrum(features: Tensor | Features) -> Spectrum:
    """Singular values of the features and eigenvalues of their covariance.

    Above 1,024 columns and rows they come from a Gram matrix, see the note at `rankme`.

    Args:
        features: ``(N, D)`` float, or `Features`.

    Raises:
        TypeError, ValueError: see `feature_rows`.

    Example:
        >>> import torch
        >>> square = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
        >>> spectrum(square).eigenvalues
        tensor([1.3333, 1.3333], dtype=torch.float64)
    """
    return spectrum_of(feature_rows("features", features))


@checked_call()
def rankme(features: Tensor | Features) -> float:
    """Effective rank of the features, from 1 to min(N, D).

        exp(-sum_k p_k log p_k),  p_k = s_k / sum s + 1e-7

    with the singular values s of the features as they are, not centred.

    Where N and D are both above 1,024 the singular values are roots of the eigenvalues of
    ``X'X``: measured against a full decomposition this moves RankMe by less than 1e-9 of itself
    for features of full rank, and by less than 1e-4 for features of low rank, whose missing
    singular values come out as 1e-8 of the largest one instead of 1e-16.

    Args:
        features: ``(N, D)`` float, or `Features`; as many images as columns or more, else the
            number tells the images.

    Raises:
        TypeError, ValueError: see `feature_rows`.

    Source:
        Garrido et al., "RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised
        Representations by Their Rank" (2023), equation 1. They take 25,600 images.

    Example:
        >>> import torch
        >>> round(rankme(torch.eye(8)), 3)
        8.0
    """
    return effective_rank(singular_values(feature_rows("features", features)))


@checked_call()
def participation_ratio(features: Tensor | Features) -> float:
    """``(sum l)^2 / sum l^2`` of the eigenvalues l of the covariance: 1 to D directions.

    Args:
        features: ``(N, D)`` float, or `Features`.

    Raises:
        TypeError, ValueError: see `feature_rows`.

    Source:
        Recanatesi et al., "Dimensionality compression and expansion in deep neural networks"
        (2019).

    Example:
        >>> import torch
        >>> round(participation_ratio(torch.eye(8)), 3)
        7.0
    """
    return eigenvalue_ratio(eigenvalues_of(feature_rows("features", features)))


@checked_call()
def stable_rank(features: Tensor | Features, *, centred: bool = False) -> float:
    """``sum s^2 / max s^2`` of the singular values: how many directions as strong as the first.

    Args:
        features: ``(N, D)`` float, or `Features`.
        centred: take the mean away first; else it is mostly the first direction.

    Raises:
        TypeError, ValueError: see `feature_rows`.

    Source:
        Rudelson and Vershynin, "Sampling from large matrices" (2007).

    Example:
        >>> import torch
        >>> round(stable_rank(torch.eye(8)), 3)
        8.0
    """
    rows = feature_rows("features", features)
    return strength_ratio(singular_values(rows - rows.mean(0) if centred else rows))


def spectrum_of(rows: Tensor, *, exact_side: int = EXACT_SIDE) -> Spectrum:
    """Spectrum of ``(N, D)`` float64 rows; of one Gram matrix where they are many and wide."""
    count, width = rows.shape
    if not exact_side < width <= count:
        return Spectrum(singular_values(rows), eigenvalues_of(rows))
    product, mean = gram(rows), rows.mean(0)
    values = [
        torch.linalg.eigvalsh(matrix).flip(0).clamp(min=0)
        for matrix in (product, product - count * torch.outer(mean, mean))
    ]
    return Spectrum(values[0].sqrt(), values[1] / (count - 1))


def effective_rank(values: Tensor) -> float:
    """RankMe of singular values, or of the eigenvalues of an LDA matrix; ``(K,)`` at least 0."""
    shares = values / values.sum() + EPSILON
    return float((-(shares * shares.log()).sum()).exp())


def eigenvalue_ratio(eigenvalues: Tensor) -> float:
    """Participation ratio of ``(K,)`` eigenvalues."""
    shares = eigenvalues / eigenvalues.max()  # squares of huge or tiny ones are not finite or 0
    return float(shares.sum() ** 2 / (shares**2).sum())


def strength_ratio(values: Tensor) -> float:
    """Stable rank of ``(K,)`` singular values."""
    return float((values**2).sum() / values.max() ** 2)


def eigenvalues_of(rows: Tensor) -> Tensor:
    """``(K,)`` eigenvalues of the covariance of ``(N, D)`` rows, falling."""
    return singular_values(rows - rows.mean(0)) ** 2 / (len(rows) - 1)
