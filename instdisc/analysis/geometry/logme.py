"""How well a Bayesian linear model explains labels by features, without training: LogME.

Legend: N images, D width, C classes, r rank of the features.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.transfer import Features

from ..inputs import Words
from .decomposition import right_vectors
from .units import class_means, labelled_rows

_GRID = 121
_BISECTIONS = 60


@checked_call()
class LogME(NamedTuple):
    """Log evidence per image, and the precisions at which it is largest.

    Attributes:
        value: mean over classes.
        class_evidence: ``(C,)`` float64 of each class that occurs, in order of the labels.
        alpha: ``(C,)`` float64 precision of the weights; infinite where the features explain
            nothing.
        beta: ``(C,)`` float64 precision of the noise; infinite where they explain all.
    """

    value: float
    class_evidence: Tensor
    alpha: Tensor
    beta: Tensor


@checked_call()
def logme(features: Tensor | Features, labels: Tensor | None = None) -> LogME:
    """Log of the maximum evidence of a Bayesian linear model, one class against the rest.

    For a class with targets t of 0 and 1:

        1/N log N(t; 0, I/beta + X X'/alpha)

    at the alpha and beta where it is largest. It depends on the data only by the singular values s
    of X and the shares z of t along its left singular vectors. With lambda = alpha / beta, the
    best beta is ``N / Q``, ``Q = sum z^2 lambda / (lambda + s^2) + rest``, and what is left is a
    function of lambda alone; its maximum is sought on a grid and by bisection. So it is exact
    for any N and D, and knows when the maximum lies at infinity.

    Args:
        features: ``(N, D)`` float, or `Features`; taken as they are, not centred, without bias.
        labels: ``(N,)`` int64; images of unknown class (-1) are left out. ``None``: those of
            `Features`.

    Raises:
        TypeError, ValueError: see `feature_rows`, `class_rows`; if a class is exactly a linear
            function of features that are fewer than the images.

    Source:
        You et al., "LogME: Practical Assessment of Pre-trained Models for Transfer Learning"
        (2021). Differs from it: they iterate MacKay's fixed point and stop early, which moves the
        fourth digit; and their later code leaves ``(D - N) / 2 log alpha`` out where D > N.

    Example:
        >>> rows = torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
        >>> good = logme(rows, torch.tensor([0, 0, 1, 1])).value
        >>> bad = logme(rows, torch.tensor([0, 1, 0, 1])).value
        >>> good > bad
        True
    """
    return evidence_of(*labelled_rows(features, labels))


def evidence_of(rows: Tensor, classes: Tensor) -> LogME:
    """LogME of ``(N, D)`` float64 rows with classes 0 to C - 1, all of which occur."""
    counts, means = class_means(rows, classes)
    values, vectors = right_vectors(rows)  # (r,), (D, r)
    variances = values**2
    # u_i't of each class from the sum of its features: U = X V / s.
    shares = ((means * counts[:, None]) @ vectors / values) ** 2  # (C, r) z^2
    rest = counts - shares.sum(1)  # (C,) of ||t||^2, which features cannot explain
    full = len(values) == len(rows)
    number = len(rows)
    exact = rest <= number * torch.finfo(rows.dtype).eps * counts
    if not full and bool(exact.any()):
        checks.refuse(
            "labels",
            "of classes that are no exact linear function of the features",
            Words(f"class {int(exact.nonzero()[0])}, which is one"),
            "Its evidence has no bound.",
        )
    rest = torch.zeros_like(rest) if full else rest
    largest, smallest = float(variances[0].log()), float(variances[-1].log())
    top = largest + 14 + math.log(number)
    grid = torch.linspace(smallest - 36, top, _GRID, dtype=rows.dtype)
    heights = torch.stack(
        [_evidence(place.expand(len(counts)), shares, rest, variances, number) for place in grid]
    )  # (grid, C)
    best = heights.argmax(0)
    low = grid[(best - 1).clamp(min=0)]
    high = grid[(best + 1).clamp(max=_GRID - 1)]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        rises = _slope(middle, shares, rest, variances, number) > 0
        low, high = torch.where(rises, middle, low), torch.where(rises, high, middle)
    place = (low + high) / 2
    evidence = _evidence(place, shares, rest, variances, number)
    penalty = place.exp()[:, None]
    beta = number / ((shares * penalty / (penalty + variances)).sum(1) + rest)
    alpha = place.exp() * beta
    # At either end of the grid the maximum lies at infinity; what it tends to is known.
    constant = -number / 2 * (math.log(2 * math.pi) + 1 - math.log(number))
    nothing = best == _GRID - 1
    evidence = torch.where(nothing, constant - number / 2 * counts.log(), evidence)
    alpha = torch.where(nothing, math.inf, alpha)
    beta = torch.where(nothing, number / counts, beta)
    everything = (best == 0) & full
    weight = (shares / variances).sum(1)  # ||w||^2 of the exact solution
    limit = constant - number / 2 * weight.log() - variances.log().sum() / 2
    evidence = torch.where(everything, limit, evidence)
    alpha = torch.where(everything, number / weight, alpha)
    beta = torch.where(everything, math.inf, beta)
    per_image = evidence / number
    return LogME(float(per_image.mean()), per_image, alpha, beta)


def _evidence(
    place: Tensor, shares: Tensor, rest: Tensor, variances: Tensor, number: int
) -> Tensor:
    """``(C,)`` log evidence at ``log lambda``, with the best beta for it."""
    penalty = place.exp()[:, None]  # (C, 1)
    unexplained = (shares * penalty / (penalty + variances)).sum(1) + rest
    determinant = torch.log1p(variances / penalty).sum(1)
    constant = math.log(2 * math.pi) + 1 - math.log(number)
    return -number / 2 * (constant + unexplained.log()) - determinant / 2


def _slope(place: Tensor, shares: Tensor, rest: Tensor, variances: Tensor, number: int) -> Tensor:
    """``(C,)`` derivative of `_evidence` by ``log lambda``."""
    penalty = place.exp()[:, None]
    used = variances / (penalty + variances)  # (C, r)
    kept = penalty / (penalty + variances)
    unexplained = (shares * kept).sum(1) + rest
    return used.sum(1) / 2 - number / 2 * (shares * kept * used).sum(1) / unexplained
