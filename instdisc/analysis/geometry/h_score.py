"""How far class means lie apart in the features' own scale: H-score.

Legend: N images, D width, C classes, r rank of the features.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.transfer import Features

from .decomposition import right_vectors
from .units import class_means, labelled_rows


@checked_call()
class HScore(NamedTuple):
    """H-score and how much the covariance was shrunk.

    Attributes:
        value: 0 to C - 1.
        shrinkage: Ledoit and Wolf's; 0 for the plain score.
    """

    value: float
    shrinkage: float


@checked_call()
def h_score(
    features: Tensor | Features, labels: Tensor | None = None, *, shrink: bool = True
) -> HScore:
    """Variance between classes over all variance: ``tr(cov(X)^-1 cov(E[X | y]))``.

    Both covariances are divided by N. With `shrink` the first is Ledoit and Wolf's
    ``(1 - a) S + a tr(S)/D I`` and the second is multiplied by ``1 - a``. The plain score is at
    most C - 1, and for N <= D it is that whatever the features are.

    Args:
        features: ``(N, D)`` float, or `Features`.
        labels: ``(N,)`` int64; images of unknown class (-1) are left out. ``None``: those of
            `Features`.
        shrink: whether to shrink. The plain score uses the directions above rounding.

    Raises:
        TypeError, ValueError: see `feature_rows`, `class_rows`; for the plain score, if there are
            no more images than columns.

    Source:
        Bao et al., "An Information-Theoretic Approach to Transferability in Task Transfer
        Learning" (2019); Ibrahim et al., "Newer is not always better: Rethinking transferability
        metrics, their peculiarities, stability and performance" (2022), for the shrinkage. Differs
        from a known implementation, which divides the second by N - 1 there: a factor N / (N - 1).

    Example:
        >>> rows = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
        >>> round(h_score(rows, torch.tensor([0, 0, 1, 1]), shrink=False).value, 6)
        1.0
    """
    return score_of(*labelled_rows(features, labels), shrink=shrink)


def score_of(rows: Tensor, classes: Tensor, *, shrink: bool = True) -> HScore:
    """H-score of ``(N, D)`` float64 rows with classes 0 to C - 1, all of which occur.

    Raises:
        ValueError: see `h_score`.
    """
    count, width = rows.shape
    if not shrink and count <= width:
        checks.refuse(
            "features",
            f"of more images than their {width} columns",
            count,
            "The plain score is C - 1 there; shrink the covariance.",
        )
    counts, means = class_means(rows, classes)
    mean = rows.mean(0)
    centred = rows - mean
    values, vectors = right_vectors(centred)
    variances = values**2 / count  # (r,)
    between = ((means - mean) @ vectors) ** 2 * (counts / count)[:, None]  # (C, r)
    if not shrink:
        return HScore(float((between / variances).sum()), 0.0)
    shrinkage = ledoit_wolf(centred, variances)
    target = float(variances.sum()) / width
    shrunk = (1 - shrinkage) * variances + shrinkage * target
    return HScore(float((1 - shrinkage) * (between / shrunk).sum()), shrinkage)


def ledoit_wolf(centred: Tensor, variances: Tensor) -> float:
    """Ledoit and Wolf's shrinkage of a covariance towards a multiple of the identity, 0 to 1.

    Args:
        centred: ``(N, D)`` float64.
        variances: ``(r,)`` eigenvalues of its covariance above rounding.

    Source:
        Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices"
        (2004), lemma 3.3 and section 3.3.

    Example:
        >>> rows = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]).double()
        >>> ledoit_wolf(rows, torch.ones(2).double())
        1.0
    """
    count, width = centred.shape
    if width == 1:
        return 0.0  # the covariance is a multiple of the identity: there is nothing to shrink
    squares = float((variances**2).sum())
    apart = squares - float(variances.sum()) ** 2 / width  # ||S - tr(S)/D I||^2
    noise = (float((centred.square().sum(1) ** 2).mean()) - squares) / count
    if apart <= squares * torch.finfo(torch.float64).eps:
        return 1.0
    return max(0.0, min(1.0, noise / apart))
