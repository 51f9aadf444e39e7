"""What pretraining gains over random weights of the same architecture in the same view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from instdisc.metrics import t_interval

from ..kinds import is_random
from ..pooling import Pooled, Result
from .ranks import FEWEST_DATASETS, means_interval
from .tables import Difference, Gain

_FEWEST_FOR_T = 3


def gains_over_random(
    methods: Sequence[str],
    results: Sequence[Result],
    cells: Mapping[tuple[str, Result], Pooled],
    differences: Sequence[Difference],
) -> list[Gain]:
    """The mean gain of each method in its headline results in percent.

    First the mean within each data set, then over data sets. The interval is over data sets: a
    bootstrap from five on, a t interval for three or four. A single result has the interval of its
    difference; otherwise there is none.

    Args:
        methods: in the table's order.
        results: the headlines.
        cells: by method and result.
        differences: of every two methods.
    """
    of_pair = {
        (each.a, each.b, each.place): each for row in differences for each in (row, row.flipped())
    }
    gains = []
    for method in methods:
        rows: dict[str, list[Difference]] = defaultdict(list)
        for result in results:
            if result.unit == "%" and (method, result) in cells:
                for other in methods:
                    if _is_baseline(cells.get((other, result)), cells[method, result]):
                        rows[other].append(of_pair[method, other, tuple(result[:5])])
                        break
        gains += [_gain(method, baseline, each) for baseline, each in rows.items()]
    return gains


def _is_baseline(other: Pooled | None, pooled: Pooled) -> bool:
    if other is None or not is_random(other.records[0]) or is_random(pooled.records[0]):
        return False
    random, trained = other.records[0], pooled.records[0]
    return (random.architecture, random.parameters, dict(random.view)) == (
        trained.architecture,
        trained.parameters,
        dict(trained.view),
    )


def _gain(method: str, baseline: str, rows: Sequence[Difference]) -> Gain:
    of_set: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        of_set[row.dataset].append(row.difference)
    means = np.array([np.mean(each) for each in of_set.values()])
    low: float | None = None
    high: float | None = None
    how = ""
    if len(means) >= FEWEST_DATASETS:
        lows, highs = means_interval(means[:, None], list(of_set))
        if lows is not None and highs is not None:
            low, high, how = float(lows[0]), float(highs[0]), "bootstrap over data sets"
    elif len(means) >= _FEWEST_FOR_T:
        (low, high), how = t_interval(means.tolist()), "t over data sets"
    elif len(rows) == 1:
        low, high, how = rows[0].low, rows[0].high, rows[0].how
    wins, losses = (sum(row.winner == name for row in rows) for name in (method, baseline))
    gain = float(means.mean())
    return Gain(method, baseline, gain, low, high, how, len(rows), len(means), wins, losses)
