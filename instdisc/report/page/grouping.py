"""Which results stand in which table of a page: headlines, all numbers, pairs of networks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from instdisc.types import Record

from ..comparison import Comparison
from ..grid import Grid, bold_note
from ..kinds import is_pair, task_family
from ..notes import notes
from ..pooling import Result


class Groups(NamedTuple):
    """Places of the results in a grid.

    Attributes:
        headlines: what ranks, wins and gains count.
        families: every result of single networks, by the task without its stage.
        pairs: every result of two networks, likewise.
        networks: the labels of the single networks.
    """

    headlines: list[int]
    families: dict[str, list[int]]
    pairs: dict[str, list[int]]
    networks: list[str]


def group_results(grid: Grid, headlines: Collection[Result]) -> Groups:
    """Sorts the results of a report into the tables of its page.

    Args:
        grid: of all records.
        headlines: of the comparison.
    """
    names = {record.method for cell in grid.cells.values() for record in cell.pooled.records}
    families: dict[str, list[int]] = defaultdict(list)
    pairs: dict[str, list[int]] = defaultdict(list)
    networks: set[int] = set()
    for (column, place), cell in grid.cells.items():
        alone = not is_pair(cell.pooled.records[0].method, names)
        if alone:
            networks.add(column)
        group = (families if alone else pairs)[task_family(grid.results[place].task)]
        if place not in group:
            group.append(place)
    chosen = [place for place, result in enumerate(grid.results) if result in headlines]
    labels = [grid.methods[column] for column in sorted(networks)]
    return Groups(chosen, dict(families), dict(pairs), labels)


def part_of_grid(grid: Grid, places: Collection[int], comparison: Comparison) -> Grid:
    """The grid of some of its results, with the methods, sets and notes that these need.

    Args:
        grid: of all records.
        places: of the results in it.
        comparison: that says what is bold in the grid.
    """
    kept = sorted(places)
    columns = sorted({column for column, place in grid.cells if place in places})
    cells = {
        (columns.index(column), kept.index(place)): cell
        for (column, place), cell in grid.cells.items()
        if place in places
    }
    methods = [grid.methods[column] for column in columns]
    results = [grid.results[place] for place in kept]
    used = {result.dataset for result in results}
    datasets = {name: shown for name, shown in grid.datasets.items() if name in used}
    pooled = {(methods[c], results[p]): cell.pooled for (c, p), cell in cells.items()}
    compared = [result in comparison.best for result in results]
    bold = [bold_note(all(compared))] if any(compared) else []
    lines = [*bold, *notes(pooled, datasets)]
    return Grid(grid.title, methods, results, cells, datasets, lines)


def labelled_records(grid: Grid, methods: Collection[str]) -> list[Record]:
    """The records of some methods, each under the label of its method.

    Args:
        grid: the records.
        methods: labels in it.
    """
    return [
        record._replace(method=grid.methods[column])
        for (column, _), cell in grid.cells.items()
        for record in cell.pooled.records
        if grid.methods[column] in methods
    ]


def by_family(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Records by their task without its stage, in the order in which they appear."""
    families: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        families[task_family(record.task)].append(record)
    return dict(families)
