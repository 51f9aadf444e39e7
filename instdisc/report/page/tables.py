"""Tables of results as a page shows them: bold, shaded, with seeds apart and means over sets."""

from __future__ import annotations

import re
from collections import defaultdict
from statistics import fmean
from typing import Any, NamedTuple

from ..comparison import Comparison
from ..grid import Cell, Grid, number
from ..pooling import Result

_VALUE = re.compile(r"^(-?[\d.]+)(?: (.*))?$")  # a number and its interval
_SHADES = 4


class Entry(NamedTuple):
    """What stands in one place of a table.

    Attributes:
        value: e.g. ``"71.5"``; empty if there is none.
        interval: e.g. ``"± 1.2"``.
        bold: whether no method is significantly better.
        shade: -4 to 4, by the gain over random weights; 0 for none.
        order: what a column is sorted by.
    """

    value: str
    interval: str
    bold: bool
    shade: int
    order: float | None


class Line(NamedTuple):
    """A row of a table.

    Attributes:
        dataset: as the table calls it.
        what: task, metric, unit and what sets the result apart.
        entries: one for each column.
        mean: whether it is a mean over data sets.
    """

    dataset: str
    what: str
    entries: list[Entry]
    mean: bool = False


class Seeds(NamedTuple):
    """The values of a cell that is a mean over seeds."""

    dataset: str
    what: str
    method: str
    values: list[tuple[int, str]]


class ResultTable(NamedTuple):
    """Set x task.

    Attributes:
        name: for links.
        caption: of the table.
        columns: the methods.
        lines: the rows.
        notes: sentences below, what each interval is among them.
        shaded: whether a cell has a shade.
        seeds: of every cell that is over several.
    """

    name: str
    caption: str
    columns: list[str]
    lines: list[Line]
    notes: list[str]
    shaded: bool
    seeds: list[Seeds]


class Tables:
    """Makes tables of grids.

    Args:
        comparison: of the same records; tells what random weights reach.
    """

    def __init__(self, comparison: Comparison) -> None:
        self._baselines = {gain.method: gain.baseline for gain in comparison.gains}
        self._differences: dict[tuple[str, ...], float] = {}
        for row in comparison.differences:
            for side in (row, row.flipped()) if row.significant else ():
                self._differences[(side.a, side.b, *_place(side))] = side.difference

    def make(self, grid: Grid, *, name: str, caption: str, means: bool = False) -> ResultTable:
        """Lays results out with a row for each set and task, and a column for each method.

        Args:
            grid: see `part_of_grid`.
            name: of the table.
            caption: of the table.
            means: whether rows of means over data sets follow.
        """
        lines = [
            Line(shown, measured(result), self._entries(grid, place))
            for dataset, shown in grid.datasets.items()
            for place, result in enumerate(grid.results)
            if result.dataset == dataset
        ]
        if means:
            lines += _means(grid)
        shaded = any(entry.shade for line in lines for entry in line.entries)
        return ResultTable(name, caption, grid.methods, lines, grid.notes, shaded, _seeds(grid))

    def gain(self, method: str, result: Result) -> float | None:
        """How much better a method is than random weights; ``None`` if no difference is shown."""
        baseline = self._baselines.get(method)
        if baseline is None:
            return None
        return self._differences.get((method, baseline, *_place(result)))

    def _entries(self, grid: Grid, place: int) -> list[Entry]:
        gains = {
            column: self.gain(method, grid.results[place])
            for column, method in enumerate(grid.methods)
            if (column, place) in grid.cells
        }
        largest = max((abs(value) for value in gains.values() if value is not None), default=0.0)
        entries = []
        for column in range(len(grid.methods)):
            cell = grid.cells.get((column, place))
            if cell is None:
                entries.append(_EMPTY)
            else:
                shade = _shade(gains[column], largest)
                entries.append(Entry(*_parts(cell), cell.bold, shade, cell.pooled.value))
        return entries


def measured(result: Result) -> str:
    """Task, metric, unit, and what sets a result apart from others of the same."""
    unit = f" ({result.unit})" if result.unit else ""
    variant = f", {result.variant}" if result.variant else ""
    return f"{result.task} {result.metric}{unit}{variant}"


_EMPTY = Entry("", "", False, 0, None)


def _place(of: Any) -> tuple[str, ...]:
    """What a result and a difference have in common."""
    return of.dataset, of.task, of.metric, of.unit, of.variant


def _parts(cell: Cell) -> tuple[str, str]:
    match = _VALUE.match(cell.text)
    return (match[1], match[2] or "") if match else (cell.text, "")


def _shade(gain: float | None, largest: float) -> int:
    """In quarters of the largest gain or loss of the row."""
    if not gain:
        return 0
    step = min(_SHADES, 1 + int(_SHADES * abs(gain) / largest * 0.999))
    return step if gain > 0 else -step


def _means(grid: Grid) -> list[Line]:
    """Of each task and metric with several sets: the mean over the sets that every method has."""
    groups: dict[tuple[str, str, str, bool], list[int]] = defaultdict(list)
    for place, result in enumerate(grid.results):
        groups[result.task, result.metric, result.unit, result.higher_is_better].append(place)
    columns = range(len(grid.methods))
    lines = []
    for (task, metric, unit, higher), group in groups.items():
        present = [c for c in columns if any((c, place) in grid.cells for place in group)]
        shared = [p for p in group if all((column, p) in grid.cells for column in present)]
        if len({grid.results[place].dataset for place in shared}) < 2 or len(present) < 2:
            continue
        means = {c: fmean(grid.cells[c, p].pooled.value for p in shared) for c in present}
        best = (max if higher else min)(means.values())
        decimals = 1 if unit == "%" else 3
        entries = [
            Entry(number(means[c], decimals), "", means[c] == best, 0, means[c])
            if c in means
            else _EMPTY
            for c in columns
        ]
        what = f"{task} {metric}" + (f" ({unit})" if unit else "")
        lines.append(Line(f"mean of {len(shared)} sets", what, entries, mean=True))
    return lines


def _seeds(grid: Grid) -> list[Seeds]:
    seeds = []
    for (column, place), cell in sorted(grid.cells.items(), key=lambda item: item[0][::-1]):
        if len(cell.pooled.records) > 1:
            result = grid.results[place]
            values = [(record.seed, f"{record.value:.4g}") for record in cell.pooled.records]
            shown = grid.datasets[result.dataset]
            seeds.append(Seeds(shown, measured(result), grid.methods[column], values))
    return seeds
