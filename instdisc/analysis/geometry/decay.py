"""How fast the spectrum of features falls: alpha-ReQ.

Legend: N images, D width, K ranks.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.transfer import Features

from ..inputs import feature_rows
from .spectrum import eigenvalues_of

Weights = Literal["equal", "1/rank"]
PUBLISHED_RANKS = (11, 100)


@checked_call()
class Decay(NamedTuple):
    """The slope of a spectrum, and what it was fitted on.

    Attributes:
        alpha: minus the slope of the log eigenvalue over the log rank.
        first: first rank that was fitted, from 1.
        last: last one.
        weights: of the ranks in the fit.
    """

    alpha: float
    first: int
    last: int
    weights: Weights


@checked_call()
def alpha_req(
    features: Tensor | Features,
    *,
    first: int = 1,
    last: int | None = None,
    weights: Weights = "equal",
) -> Decay:
    """Decay of the eigenvalues of the covariance: eigenvalue of rank k ~ k^-alpha.

    A line through log eigenvalue over log rank by least squares. About 1 is what Agrawal et al.
    find in features that transfer; above, few directions hold all.

    Args:
        features: ``(N, D)`` float, or `Features`.
        first: first rank of the fit.
        last: last one; ``None``: the last whose eigenvalue is above rounding, at most
            min(N - 1, D).
        weights: ``"equal"`` (the paper's text), or ``"1/rank"`` (its code, with `first` 11 and
            `last` 100), so that the many last ranks do not decide.

    Raises:
        TypeError, ValueError: see `feature_rows`; if a rank is no whole number, there are fewer
            than 3 ranks, or the features have fewer than `last` eigenvalues above rounding.

    Source:
        Agrawal et al., "alpha-ReQ: Assessing Representation Quality in Self-Supervised Learning by
        measuring eigenspectrum decay" (2022), section 3.

    Example:
        >>> slope = torch.arange(1.0, 9.0).rsqrt()  # eigenvalues 1/k
        >>> rows = torch.cat([torch.diag(slope), -torch.diag(slope)])
        >>> fit = alpha_req(rows)
        >>> round(fit.alpha, 4), fit.first, fit.last, fit.weights
        (1.0, 1, 8, 'equal')
    """
    rows = feature_rows("features", features)
    return decay_of(eigenvalues_of(rows), num_ranks(rows), first=first, last=last, weights=weights)


def decay_of(
    eigenvalues: Tensor,
    available: int,
    *,
    first: int = 1,
    last: int | None = None,
    weights: Weights = "equal",
) -> Decay:
    """The fit of `alpha_req` on falling eigenvalues ``(K,)``.

    Args:
        eigenvalues: of a covariance.
        available: ranks that there can be, see `num_ranks`.
        first: see `alpha_req`.
        last: last rank.
        weights: of the ranks.

    Raises:
        TypeError, ValueError: see `alpha_req`.
    """
    checks.whole("first", first)
    checks.choice("weights", weights, ("equal", "1/rank"))
    rounding = len(eigenvalues) * torch.finfo(torch.float64).eps * float(eigenvalues[0])
    usable = min(available, int((eigenvalues > rounding).sum()))
    last = usable if last is None else last
    remedy = f"The features have {usable} eigenvalues above rounding."
    checks.whole("last", last, at_least=first + 2, at_most=usable, remedy=remedy)
    ranks = torch.arange(first, last + 1, dtype=torch.float64)
    x, y = ranks.log(), eigenvalues[first - 1 : last].log()
    w = 1 / ranks if weights == "1/rank" else torch.ones_like(ranks)
    w = w / w.sum()
    x, y = x - (w * x).sum(), y - (w * y).sum()
    return Decay(-float((w * x * y).sum() / (w * x * x).sum()), first, last, weights)


def num_ranks(rows: Tensor) -> int:
    """Most eigenvalues above 0 that a covariance of ``(N, D)`` rows can have."""
    return min(len(rows) - 1, rows.shape[1])
