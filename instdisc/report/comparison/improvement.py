"""How likely one method is better than another, on a result drawn at random."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from ..pooling import Pooled, Result
from .ranks import means_interval
from .tables import Improvement


def improvements(
    methods: Sequence[str],
    results: Sequence[Result],
    cells: Mapping[tuple[str, Result], Pooled],
) -> list[Improvement]:
    """The probability of improvement of every two methods, over the results that both have.

    In one result it is the share of pairs of runs, one of each method, in which that of the first
    is better, a tie counting half: Mann and Whitney's U over the number of pairs. Then the mean
    over results.

    Args:
        methods: in the table's order.
        results: the headlines.
        cells: by method and result.

    Source:
        Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice"
        (2021), section 4.3.

    Differs from it:
        The interval is over data sets, from five on, and not over runs: a report mostly has one
        run of each method.
    """
    rows = []
    for a, b in combinations(methods, 2):
        blocks: dict[tuple[str, str], list[float]] = defaultdict(list)
        for result in results:
            if (a, result) in cells and (b, result) in cells:
                sign = 1 if result.higher_is_better else -1
                first, second = (np.array(cells[m, result].values) for m in (a, b))
                steps = np.sign(sign * (first[:, None] - second[None, :]))
                blocks[result.dataset, result.task].append(float((steps.mean() + 1) / 2))
        if blocks:
            shares = np.array([np.mean(each) for each in blocks.values()])
            low, high = means_interval(shares[:, None], [dataset for dataset, _ in blocks])
            rows.append(
                Improvement(
                    a,
                    b,
                    float(shares.mean()),
                    None if low is None else float(low[0]),
                    None if high is None else float(high[0]),
                    len(blocks),
                )
            )
    return rows
