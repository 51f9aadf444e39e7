"""Quantities over methods: which networks they are of, and their values in resamples of methods.

Legend: M methods, S seeds, R resamples, P predictors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from instdisc.analysis.geometry.correlation import weighted_correlations

from .measures import Missing, Results
from .rules import Measure, Rules, Side
from .seeds import Estimate

RESAMPLES = 10_000
_AT_ONCE = 1_000
_SEED = 0
_DECIMALS = 10


class Networks(NamedTuple):
    """The networks that a quantity over methods is of.

    Attributes:
        methods: M of them.
        seeds: S that all of them have.
        missing: what the others lack.
    """

    methods: list[str]
    seeds: list[int]
    missing: list[Missing]


class Rank(NamedTuple):
    """A statistic of the methods and its values in resamples.

    Attributes:
        value: NaN where a number is the same for all.
        drawn: ``(R,)``; NaN likewise.
    """

    value: float
    drawn: np.ndarray


def choose_networks(
    results: Results, measures: Sequence[Measure], over: Side, rules: Rules
) -> Networks:
    """The methods that have every measure for `fewest_seeds` seeds or more, and their seeds.

    If these are too few, it is the methods with a seed of which every measure is there, so that
    there is something to see.

    Args:
        results: the records.
        measures: that must be there.
        over: the methods to choose from.
        rules: for how many are too few.
    """
    seeds = results.seeds(over.methods)
    lacking = {
        (method, seed): [each for m in measures for each in results.missing(m, method, seed)]
        for method in over.methods
        for seed in seeds
    }
    complete = {m: [s for s in seeds if not lacking[m, s]] for m in over.methods}
    methods: list[str] = []
    for fewest in (rules.fewest_seeds, 1):
        if len(methods) < rules.fewest_methods:
            methods = [m for m in over.methods if len(complete[m]) >= fewest]
    shared = [s for s in seeds if methods and all(s in complete[m] for m in methods)]
    left = [
        each
        for (method, seed), missing in lacking.items()
        if method not in methods or seed not in shared
        for each in missing
    ]
    return Networks(methods, shared, left)


def taus(a: np.ndarray, b: np.ndarray) -> list[Rank]:
    """Kendall's tau-b of rows of numbers with one number, over methods.

    A method that is drawn twice is tied with itself.

    Args:
        a: ``(P, M)`` means over seeds.
        b: ``(M,)`` likewise.
    """
    a, b = a.round(_DECIMALS), b.round(_DECIMALS)  # means that are equal are tied
    rows = np.broadcast_to(b, a.shape)
    once = np.ones((1, len(b)))
    values = _correlations(a, rows, once)[0][0]
    drawn = _correlations(a, rows, resampled_methods(len(b)))[0]
    return [Rank(float(value), column) for value, column in zip(values, drawn.T, strict=True)]


def pearson(a: np.ndarray, b: np.ndarray) -> Rank:
    """Pearson's r over methods and seeds; a method is drawn with all its seeds.

    Args:
        a: ``(M, S)``.
        b: ``(M, S)``.
    """
    x, y = a.reshape(1, -1), b.reshape(1, -1)
    value = _correlations(x, y, np.ones((1, a.size)))[1][0, 0]
    times = np.repeat(resampled_methods(len(a)), a.shape[1], axis=1)  # (R, M S)
    return Rank(float(value), _correlations(x, y, times)[1][:, 0])


def resampled_methods(count: int) -> np.ndarray:
    """``(R, M)`` how often each of M methods was drawn, with replacement; always the same."""
    drawn = np.random.default_rng(_SEED).integers(count, size=(RESAMPLES, count))
    drawn += count * np.arange(RESAMPLES)[:, None]
    return np.bincount(drawn.ravel(), minlength=RESAMPLES * count).reshape(RESAMPLES, count)


def percentile_estimate(rank: Rank, *, margin: float, level: float) -> Estimate:
    """A statistic with its percentile interval.

    ``p = 2 min(share of resamples at or below the margin, share at or above it)``, at most 1.
    Resamples in which it is not defined are left out.

    Args:
        rank: whose value is defined.
        margin: with which it is compared.
        level: of what lies outside, on both sides together.
    """
    # Rounded, so that what equals the margin does so on every processor.
    drawn = rank.drawn[~np.isnan(rank.drawn)].round(_DECIMALS)
    low, high = np.quantile(drawn, [level / 2, 1 - level / 2])
    p = 2 * min((drawn <= margin).mean(), (drawn >= margin).mean())
    return Estimate(rank.value, float(low), float(high), float(min(1.0, p)))


def _correlations(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(R, P)`` tau-b and r of ``(P, N)`` pairs of numbers that count ``(R, N)`` times."""
    a, b = (torch.from_numpy(np.array(rows, dtype=np.float64)) for rows in (x, y))
    parts = [
        weighted_correlations(a, b, torch.from_numpy(times[start : start + _AT_ONCE]).double())
        for start in range(0, len(times), _AT_ONCE)
    ]
    tau, r = (torch.cat(columns).numpy() for columns in zip(*parts, strict=True))
    return tau, r
