"""Which cheap numbers tell of transfer: rank correlations over checkpoints.

Legend: P numbers, Q results.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..comparison import Comparison
from ..labels import shortest_names
from ..material import Material
from .chart import Chart
from .heat_map import add_bar, draw_map, short_number, write_numbers
from .measured import Measured, group_by, headlines, measure
from .style import NARROW, SMALL, new_figure, wrapped

_CHEAP = re.compile(r"stage(\d+)_geometry|transferability")
_FEWEST = 4  # methods that a correlation is over
_MOST_ROWS, _MOST_COLUMNS = 16, 10
_DARK = 0.6
_KEPT = ("predictor", "result", "tau", "tau_chance", "checkpoints")  # arrays of the analysis
_LEVEL = 0.05


class Correlations(NamedTuple):
    """Kendall's tau of numbers with results.

    Attributes:
        numbers: P names.
        results: Q names.
        tau: ``(P, Q)``; NaN where there is none.
        p: ``(P, Q)``, how often a random order lies as far from 0.
        counts: ``(P, Q)``, of checkpoints.
    """

    numbers: list[str]
    results: list[str]
    tau: np.ndarray
    p: np.ndarray
    counts: np.ndarray


def draw_predictors(material: Material, comparison: Comparison) -> list[Chart]:
    """Kendall's tau of numbers of the last stage with results of transfer.

    Both are turned so that higher is better. What the analysis `predictors` kept is drawn;
    without it, numbers of `geometry` and `transferability` are compared with the headline results
    on the same data set, over at least four methods.

    Args:
        material: records of these analyses.
        comparison: of the same records, with the results.
    """
    kept = next((r for r in material.records if r.task == "predictors" and r.job), None)
    arrays = None if kept is None else material.arrays(kept)
    if arrays is not None and set(_KEPT) <= set(arrays):
        table = Correlations(
            [str(text) for text in arrays["predictor"]],
            [str(text) for text in arrays["result"]],
            np.asarray(arrays["tau"], float),
            np.asarray(arrays["tau_chance"], float),
            np.asarray(arrays["checkpoints"]),
        )
    else:
        table = correlate(_cheap_numbers(material), headlines(comparison))
    return [_draw(_largest(table))] if np.isfinite(table.tau).any() else []


def correlate(numbers: Sequence[Measured], results: Sequence[Measured]) -> Correlations:
    """Kendall's tau of each number with each result on the same data set.

    Args:
        numbers: values of cheap numbers.
        results: values of transfer results.
    """
    from scipy.stats import kendalltau  # a second to import

    names = shortest_names(value.result.dataset for value in results)
    rows = group_by(numbers, lambda v: v.result.metric)
    columns = group_by(results, lambda v: (v.result.task, v.result.dataset, v.result.variant))
    size = (len(rows), len(columns))
    tau, p, counts = np.full(size, np.nan), np.full(size, np.nan), np.zeros(size, int)
    for row, of_number in enumerate(rows.values()):
        for column, ((_, dataset, _), of_result) in enumerate(columns.items()):
            first = {v.method: _turned(v) for v in of_number if v.result.dataset == dataset}
            second = {v.method: _turned(v) for v in of_result}
            common = [method for method in first if method in second]
            pairs = np.array([(first[m], second[m]) for m in common]).reshape(-1, 2)
            if len(common) < _FEWEST or any(len(set(side)) < 2 for side in pairs.T):
                continue
            test = kendalltau(pairs[:, 0], pairs[:, 1])
            tau[row, column], p[row, column] = test.statistic, test.pvalue
            counts[row, column] = len(common)
    texts = [", ".join(filter(None, (task, names[d], v))) for task, d, v in columns]
    return Correlations(list(rows), texts, tau, p, counts)


def _cheap_numbers(material: Material) -> list[Measured]:
    """Values of the last stage and of transferability."""
    values = measure(material, lambda r: bool(_CHEAP.fullmatch(r.task)))
    last = max((_stage(value) for value in values), default=0)
    return [value for value in values if _stage(value) in (0, last)]


def _stage(value: Measured) -> int:
    match = _CHEAP.fullmatch(value.result.task)
    assert match is not None  # it is why the record was chosen
    return int(match.group(1) or 0)


def _turned(value: Measured) -> float:
    return value.pooled.value if value.result.higher_is_better else -value.pooled.value


def _largest(table: Correlations) -> Correlations:
    """The numbers of the largest mean correlation of either sign, the highest first."""
    rows = np.flatnonzero(np.isfinite(table.tau).any(1))
    columns = np.flatnonzero(np.isfinite(table.tau).any(0))[:_MOST_COLUMNS]
    means = np.nanmean(np.where(np.isfinite(table.tau[rows]), table.tau[rows], np.nan), 1)
    order = np.argsort(-np.abs(means), kind="stable")[:_MOST_ROWS]
    order = order[np.argsort(-means[order], kind="stable")]
    rows = rows[order]
    cut = np.ix_(rows, columns)
    return Correlations(
        [table.numbers[row] for row in rows],
        [table.results[column] for column in columns],
        table.tau[cut],
        table.p[cut],
        table.counts[cut],
    )


def _draw(table: Correlations) -> Chart:
    texts = [wrapped(name, 26) for name in table.numbers]
    heights = [0.18 * (text.count("\n") + 1) + 0.08 for text in texts]
    figure, (axes,) = new_figure(NARROW, 2.4 + sum(heights))
    shown = draw_map(axes, table.tau, colours="PuOr", lowest=-1, highest=1)
    # A star where a random order is rarely as far from 0.
    stars = np.where(table.p < _LEVEL, "*", "")
    cells = [
        [short_number(x) + star for x, star in zip(line, of_line, strict=True)]
        for line, of_line in zip(table.tau, stars, strict=True)
    ]
    write_numbers(axes, cells, np.abs(table.tau) > _DARK)
    axes.set_yticks(range(len(texts)), texts, fontsize=SMALL)
    axes.set_xticks(
        range(len(table.results)),
        [wrapped(name, 18) for name in table.results],
        rotation=90,
        fontsize=SMALL,
    )
    add_bar(figure, shown, axes, "Kendall's tau over checkpoints")
    counts = table.counts[np.isfinite(table.tau)]
    span = (
        f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    )
    row, column = np.unravel_index(int(np.nanargmax(np.abs(table.tau))), table.tau.shape)
    strong = f"{table.numbers[row]} with {table.results[column]}"
    return Chart(
        name="predictors",
        title="Cheap numbers and transfer",
        caption=f"Kendall's tau of numbers that need no training with results of transfer, over "
        f"{span} checkpoints; both turned so that higher is better. A star: fewer than 5 % of "
        "random orders lie as far from 0, each cell by itself, not corrected for their number.",
        alternative=f"Largest correlation: {strong}, tau {table.tau[row, column]:.2f} over "
        f"{table.counts[row, column]} checkpoints. "
        f"{int((table.p < _LEVEL).sum())} of {len(counts)} cells have a star.",
        figure=figure,
    )
