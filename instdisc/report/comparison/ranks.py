"""Mean ranks over tasks and data sets, and how far they must lie apart.

Legend: B blocks (a task on a data set), S data sets, M methods, R resamples.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..pooling import Pooled, Result
from .tables import CriticalDifference, MeanRank

FEWEST_DATASETS = 5
_RESAMPLES = 10_000
_SEED = 0
_LEVEL = 0.05


class RankTable(NamedTuple):
    """The ranks of methods that were all measured.

    Attributes:
        methods: M of them.
        ranks: ``(B, M)``, 1 is best, ties share the mean.
        datasets: of each block.
    """

    methods: list[str]
    ranks: np.ndarray
    datasets: list[str]


def rank_table(
    methods: Sequence[str],
    results: Sequence[Result],
    cells: Mapping[tuple[str, Result], Pooled],
) -> RankTable:
    """Ranks in the results that all methods have.

    If no result has all methods, those with the fewest results are left out, one after the other.
    Results of one task and data set in several settings count together as one.

    Args:
        methods: in the table's order.
        results: the headlines.
        cells: by method and result.
    """
    from scipy.stats import rankdata  # slow to import

    kept = [m for m in methods if any((m, result) in cells for result in results)]
    shared: list[Result] = []
    while len(kept) > 1 and not shared:
        shared = [r for r in results if all((method, r) in cells for method in kept)]
        if not shared:
            counts = {m: sum((m, result) in cells for result in results) for m in kept}
            kept.remove(min(reversed(kept), key=lambda method: counts[method]))
    blocks: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    for result in shared:
        sign = -1 if result.higher_is_better else 1
        values = [sign * cells[method, result].value for method in kept]
        blocks[result.dataset, result.task].append(rankdata(values))
    ranks = [np.mean(rows, axis=0) for rows in blocks.values()]
    return RankTable(
        kept if shared else [],
        np.array(ranks).reshape(len(blocks), len(kept) if shared else 0),
        [dataset for dataset, _ in blocks],
    )


def mean_ranks(table: RankTable) -> list[MeanRank]:
    """The mean rank of each method, best first, with a bootstrap over data sets.

    Args:
        table: see `rank_table`.

    Source:
        Efron (1979), percentile interval; resampled are data sets with all their tasks.
    """
    if not table.methods:
        return []
    low, high = means_interval(table.ranks, table.datasets)
    means, (num_blocks, num_sets) = (
        table.ranks.mean(0),
        (len(table.ranks), len(set(table.datasets))),
    )
    order = np.argsort(means, kind="stable")
    return [
        MeanRank(
            table.methods[place],
            float(means[place]),
            None if low is None else float(low[place]),
            None if high is None else float(high[place]),
            num_blocks,
            num_sets,
        )
        for place in order
    ]


def means_interval(
    values: np.ndarray, datasets: Sequence[str]
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """95 % percentile interval of the means of columns, over data sets; none below five of them.

    Args:
        values: ``(B, M)``.
        datasets: of each of the B rows; all rows of a data set are drawn together.
    """
    names, of_row = np.unique(datasets, return_inverse=True)
    if len(names) < FEWEST_DATASETS:
        return None, None
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, of_row, values)
    sizes = np.bincount(of_row)
    times = _draw(len(names))  # (R, S)
    drawn = (times @ sums) / (times @ sizes)[:, None]  # (R, M)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return low, high


@lru_cache(maxsize=4)
def _draw(count: int) -> np.ndarray:
    """How often each of S data sets is drawn ``(R, S)``."""
    generator = np.random.default_rng(_SEED)
    return generator.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)


def critical_difference(table: RankTable) -> CriticalDifference | None:
    """Friedman's test over data sets, and Nemenyi's critical difference.

    ``CD = q sqrt(M (M + 1) / (6 S))`` with q of the studentised range over ``sqrt(2)``. A data set
    with several tasks counts once, by the mean of the ranks in its tasks.

    Args:
        table: see `rank_table`.

    Returns:
        ``None`` for fewer than five data sets or three methods.

    Source:
        Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (2006).
    """
    from scipy import stats  # slow to import

    names, of_row = np.unique(table.datasets, return_inverse=True)
    num_sets, num_methods = len(names), len(table.methods)
    if num_sets < FEWEST_DATASETS or num_methods < 3:
        return None
    means = np.array([table.ranks[of_row == place].mean(0) for place in range(num_sets)])
    ranks = np.array([stats.rankdata(row) for row in means])
    if (ranks == ranks[:, :1]).all():  # all methods tie everywhere
        statistic, p = 0.0, 1.0
    else:
        statistic, p = map(float, stats.friedmanchisquare(*means.T))
    q = float(stats.studentized_range.ppf(1 - _LEVEL, num_methods, np.inf)) / np.sqrt(2)
    difference = q * float(np.sqrt(num_methods * (num_methods + 1) / (6 * num_sets)))
    order = np.argsort(ranks.mean(0), kind="stable")
    ordered = ranks.mean(0)[order].tolist()
    methods = [table.methods[place] for place in order]
    groups: list[list[str]] = []
    end = 0
    for start, rank in enumerate(ordered):
        last = max(place for place, other in enumerate(ordered) if other - rank < difference)
        if last + 1 > max(end, start + 1):
            groups.append(methods[start : last + 1])
            end = last + 1
    return CriticalDifference(methods, ordered, float(difference), groups, statistic, p, num_sets)
