"""Kendall's tau-b and Pearson's r of many pairs of numbers, and over resampled checkpoints.

Legend: M checkpoints, P pairs of numbers, R resamples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.metrics import draw_images

_PAIRS = 256  # at once, at most
_ROWS = 2**24  # values at once


@checked_call()
class Correlations(NamedTuple):
    """Correlations of P pairs of numbers over M checkpoints, with 95 % percentile intervals.

    Attributes:
        tau: ``(P,)`` float64 Kendall's tau-b; NaN where a number is the same for all.
        tau_ends: ``(P, 2)`` of its interval.
        r: ``(P,)`` Pearson's r; likewise.
        r_ends: ``(P, 2)``.
        dropped: ``(P,)`` int64 resamples without two different values of both numbers, for which
            neither is defined; they are left out of the intervals.
    """

    tau: Tensor
    tau_ends: Tensor
    r: Tensor
    r_ends: Tensor
    dropped: Tensor


@checked_call()
def correlate(x: Tensor, y: Tensor, *, num_resamples: int = 1000, seed: int = 0) -> Correlations:
    """Correlations of pairs of numbers.

        tau-b = (concordant - discordant) / sqrt((n0 - ties in x) (n0 - ties in y))

    with n0 = M (M - 1) / 2. A resample draws M checkpoints with replacement; a checkpoint that is
    drawn twice is tied with itself.

    Args:
        x: ``(P, M)`` float64.
        y: ``(P, M)`` float64.
        num_resamples: R.
        seed: of the resampling; all pairs see the same checkpoints.

    Raises:
        TypeError, ValueError: if they are no such tables, differ in shape, or a number is not
            finite.

    Example:
        >>> x = torch.tensor([[1.0, 2, 3, 4]]).double()
        >>> y = torch.tensor([[10.0, 20, 15, 40]]).double()
        >>> both = correlate(x, y)
        >>> round(float(both.tau), 4), round(float(both.r), 4)
        (0.6667, 0.8345)
    """
    for name, values in (("x", x), ("y", y)):
        checks.dtype(name, checks.shape(name, values, ("P", "M")), torch.float64)
        checks.all_finite(name, values, row="pair")
        if not values.numel():
            checks.refuse(name, "of at least one pair of numbers of one checkpoint", values)
    checks.same_shape("y", y, "x", x)
    count = x.shape[1]
    drawn = torch.cat(list(draw_images(count, num_resamples, seed, at_once=_ROWS // count)))
    # (R, M) how often each checkpoint was drawn.
    times = torch.zeros(num_resamples, count, dtype=torch.float64)
    times.scatter_add_(1, drawn, torch.ones_like(times))
    once = torch.ones(1, count, dtype=torch.float64)
    parts = []
    step = max(1, min(_PAIRS, _ROWS // num_resamples))
    for start in range(0, len(x), step):
        a, b = x[start : start + step], y[start : start + step]
        tau, r = weighted_correlations(a, b, once)
        taus, rs = weighted_correlations(a, b, times)
        parts.append(Correlations(tau[0], _ends(taus), r[0], _ends(rs), taus.isnan().sum(0)))
    return Correlations(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def weighted_correlations(x: Tensor, y: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Tau-b and r where each checkpoint counts as often as it was drawn.

    Args:
        x: ``(P, M)`` float64.
        y: ``(P, M)`` float64.
        times: ``(R, M)`` float64; a checkpoint that counts twice is tied with itself.

    Returns:
        ``(R, P)`` of each; NaN where a number is the same for all that count.

    Example:
        >>> x, y = torch.tensor([[1.0, 2, 3]]).double(), torch.tensor([[1.0, 3, 2]]).double()
        >>> tau, r = weighted_correlations(x, y, torch.ones(1, 3).double())
        >>> round(float(tau), 4), round(float(r), 4)
        (0.3333, 0.5)
    """
    order_x = (x[:, :, None] - x[:, None, :]).sign().flatten(1).T  # (M M, P)
    order_y = (y[:, :, None] - y[:, None, :]).sign().flatten(1).T
    pairs = (times[:, :, None] * times[:, None, :]).flatten(1)  # (R, M M)
    untied_x, untied_y = pairs @ order_x.abs(), pairs @ order_y.abs()
    defined = (untied_x > 0) & (untied_y > 0)
    tau = pairs @ (order_x * order_y) / (untied_x * untied_y).sqrt()
    # Shift and scale by the whole: then rounding does not depend on the unit.
    a, b = _standard(x).T, _standard(y).T  # (M, P)
    shares = times / times.sum(1, keepdim=True)
    mean_a, mean_b = shares @ a, shares @ b
    var_a, var_b = shares @ a**2 - mean_a**2, shares @ b**2 - mean_b**2
    r = (shares @ (a * b) - mean_a * mean_b) / (var_a * var_b).sqrt()
    nan = torch.full_like(tau, torch.nan)
    return torch.where(defined, tau, nan), torch.where(defined, r.clamp(-1, 1), nan)


def chance_of_tau(tau: float, count: int) -> float:
    """Share of all orders of M things whose tau lies as far from 0, or farther.

    A bootstrap over few checkpoints says nothing of this: where all agree in order, every resample
    agrees too, and its interval is a point.

    Args:
        tau: Kendall's.
        count: M. Ties are not looked at: with some of them the share is approximate.

    Source:
        Kendall, "A New Measure of Rank Correlation" (1938): orders by their number of inversions.

    Example:
        >>> round(chance_of_tau(1.0, 4), 4)  # 2 of 24 orders
        0.0833
    """
    orders = np.ones(1)  # by number of inversions
    for size in range(2, count + 1):
        orders = np.convolve(orders, np.ones(size))
    taus = 1 - 2 * np.arange(len(orders)) / max(1, len(orders) - 1)
    return float(orders[np.abs(taus) >= abs(tau) - 1e-9].sum() / orders.sum())


def _standard(values: Tensor) -> Tensor:
    centred = values - values.mean(1, keepdim=True)
    size = centred.abs().amax(1, keepdim=True)
    return centred / torch.where(size > 0, size, torch.ones_like(size))


def _ends(resampled: Tensor) -> Tensor:
    """``(P, 2)`` percentiles of what is defined of ``(R, P)``."""
    tails = torch.tensor([0.025, 0.975], dtype=torch.float64)
    return resampled.nanquantile(tails, dim=0).T
