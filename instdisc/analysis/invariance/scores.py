"""How well factors are predicted, with intervals over the images of a test set.

Legend: M images, T columns of numbers, r resamples, Q factors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc.metrics import Interval, draw_images, percentiles

RESAMPLES = 1000
_VALUES = 2**22


def r2_scores(errors: Tensor, truth: Tensor, columns: Sequence[slice]) -> list[float]:
    """R2 of each factor, the mean over its columns; not clamped.

    Args:
        errors: ``(M, T)`` squared errors.
        truth: ``(M, T)``; no column is constant.
        columns: of each of Q factors.

    Source:
        scikit-learn's ``r2_score`` with ``multioutput="uniform_average"``.

    Example:
        >>> truth = torch.tensor([[0.0], [2.0], [4.0]])
        >>> r2_scores((truth - 3).square(), truth, [slice(0, 1)])
        [-0.375]
    """
    centred = truth - truth.mean(0)
    told = 1 - errors.sum(0) / centred.square().sum(0)  # (T,)
    return [float(told[column].mean()) for column in columns]


def r2_intervals(
    errors: Tensor, truth: Tensor, columns: Sequence[slice], *, seed: int = 0
) -> list[Interval]:
    """95 % bootstrap interval over images of each R2; all factors see the same resamples.

    Args:
        errors: see `r2_scores`.
        truth: likewise.
        columns: likewise.
        seed: of the resampling.

    Example:
        >>> truth = torch.arange(50.0)[:, None]
        >>> r2_intervals(torch.zeros(50, 1), truth, [slice(0, 1)])
        [Interval(low=1.0, high=1.0)]
    """
    count = len(truth)
    centred = (truth - truth.mean(0)).double()
    table = torch.cat([errors.double(), centred, centred.square()], 1)  # (M, 3T)
    told = []
    for rows in draw_images(count, RESAMPLES, seed, at_once=_VALUES // count):
        times = torch.zeros(len(rows), count, dtype=torch.float64)
        times.scatter_add_(1, rows, torch.ones_like(times))
        wrong, first, second = (times @ table).tensor_split(3, dim=1)  # (r, T) sums
        spread = second - first.square() / count
        # A resample of a few images may hold one value only.
        total = centred.square().sum(0)
        told.append(1 - wrong / torch.where(spread > 1e-9 * total, spread, total))
    values = torch.cat(told)  # (R, T)
    return [percentiles(values[:, column].mean(1), 0.95) for column in columns]
