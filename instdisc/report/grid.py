"""The one table from which text, Markdown, LaTeX, CSV and figures are made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from instdisc import checks
from instdisc.types import Record

from .comparison.tables import Comparison
from .labels import shortest_names
from .notes import notes
from .pooling import Pooled, Result, check_records, method_labels, pool, split_results

Rows = Literal["methods", "results"]
_MOST_DECIMALS = 4


class Cell(NamedTuple):
    """What one method has of one result.

    Attributes:
        pooled: the records.
        text: value and interval, e.g. ``"71.5 ± 1.2"``.
        bold: whether no method has a better value; with a comparison, whether it
            is not significantly below the best.
    """

    pooled: Pooled
    text: str
    bold: bool


class Grid(NamedTuple):
    """Methods and results with a cell for each pair that has records.

    Attributes:
        title: above the table.
        methods: their labels.
        results: what was measured.
        cells: by the places of method and result.
        datasets: what each data set is called in this table.
        notes: sentences below the table, what each ``±`` is among them.
    """

    title: str
    methods: list[str]
    results: list[Result]
    cells: dict[tuple[int, int], Cell]
    datasets: dict[str, str]
    notes: list[str]


class Sheet(NamedTuple):
    """A grid laid out in rows.

    Attributes:
        header: of each column its lines.
        labels: how many columns are labels.
        rows: of each row its texts, and whether each is bold.
        ends: rows after which a section ends.
    """

    header: list[list[str]]
    labels: int
    rows: list[list[tuple[str, bool]]]
    ends: set[int]


def make_grid(
    records: Iterable[Record], *, title: str = "", comparison: Comparison | None = None
) -> Grid:
    """Pools records over seeds, see `pool`, and says what each cell is.

    Args:
        records: what to show.
        title: above the table.
        comparison: of the same records; says what is bold in the results that it holds.

    Raises:
        TypeError: if one is no record.
        ValueError: if there is none, a number is not finite, or `comparison` is of other records.
    """
    records = check_records(records)
    methods = method_labels(records)
    results = split_results(records, methods)
    groups: dict[tuple[str, Result], list[Record]] = defaultdict(list)
    for record, method, result in zip(records, methods, results, strict=True):
        groups[method, result].append(record)
    pooled = {key: pool(group) for key, group in groups.items()}
    # Variants of one result stand side by side.
    first: dict[tuple[str, str, str], int] = {}
    for place, result in enumerate(results):
        first.setdefault((result.task, result.metric, result.dataset), place)
    columns = list(dict.fromkeys(methods))
    rows = list(dict.fromkeys(results))
    rows.sort(key=lambda result: first[result.task, result.metric, result.dataset])
    cells = {}
    for place, result in enumerate(rows):
        row = {m: pooled[m, result] for m in columns if (m, result) in pooled}
        values = [cell.value for cell in row.values()]
        best = max(values) if result.higher_is_better else min(values)
        decimals = _decimals(result, row.values())
        top = _best(result, row, comparison)
        for method, cell in row.items():
            text = _text(cell, decimals)
            bold = cell.value == best if top is None else method in top
            cells[columns.index(method), place] = Cell(cell, text, bold)
    datasets = shortest_names(result.dataset for result in rows)
    lines = notes(pooled, datasets)
    if comparison is not None and any(result in comparison.best for result in rows):
        lines.append(bold_note(all(result in comparison.best for result in rows)))
    return Grid(title, columns, rows, cells, datasets, lines)


def lay_out(grid: Grid, rows: Rows) -> Sheet:
    """The grid with a row for each method, or for each result.

    Raises:
        ValueError: if `rows` is unknown.
    """
    checks.choice("rows", rows, ("methods", "results"))

    def entry(method: int, place: int) -> tuple[str, bool]:
        cell = grid.cells.get((method, place))
        return ("", False) if cell is None else (cell.text, cell.bold)

    if rows == "methods":
        header = [["method"]]
        for result in grid.results:
            unit = f" ({result.unit})" if result.unit else ""
            lines = [_measured(result), grid.datasets[result.dataset] + unit, result.variant]
            header.append([line for line in lines if line])
        body = [
            [(method, False), *(entry(column, place) for place in range(len(grid.results)))]
            for column, method in enumerate(grid.methods)
        ]
        return Sheet(header, 1, body, set())
    body, ends = [], set()
    for dataset, shown in grid.datasets.items():
        name = shown
        for place, result in enumerate(grid.results):
            if result.dataset == dataset:
                unit = f" ({result.unit})" if result.unit else ""
                what = _measured(result) + unit + (f", {result.variant}" if result.variant else "")
                entries = (entry(column, place) for column in range(len(grid.methods)))
                body.append([(name, False), (what, False), *entries])
                name = ""
        ends.add(len(body) - 1)
    return Sheet([["data set"], ["task"], *([method] for method in grid.methods)], 2, body, ends)


def number(value: float, decimals: int) -> str:
    """A number in fixed decimals; zero has no sign."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def _best(
    result: Result, row: Mapping[str, Pooled], comparison: Comparison | None
) -> frozenset[str] | None:
    """The methods that a comparison calls the best of a result; ``None`` if it holds it not."""
    if comparison is None or result not in comparison.best:
        return None
    for method, cell in row.items():
        compared = comparison.cells.get((method, result))
        if compared is None or compared.value != cell.value:
            checks.refuse(
                "comparison",
                f"of `records`, with their {_measured(result)} of {method!r} on {result.dataset}",
                "no such value" if compared is None else compared.value,
                "Call compare(records) with the records of the table.",
            )
    return comparison.best[result]


def bold_note(everywhere: bool) -> str:
    """What bold means in a table.

    Args:
        everywhere: whether every result is compared.
    """
    rest = "" if everywhere else "; in results that are not compared, the best"
    return (
        "Bold: the best and all that are not significantly below it (95 % interval of the "
        f"difference and Holm's correction){rest}."
    )


def _measured(result: Result) -> str:
    return f"{result.task} {result.metric}"


def _decimals(result: Result, row: Iterable[Pooled]) -> int:
    """One, as papers print percents; three for what is of another unit and below 1."""
    largest = max(abs(value) for pooled in row for value in pooled.values)
    return 3 if result.unit != "%" and 0 < largest < 1 else 1


def _text(pooled: Pooled, decimals: int) -> str:
    if pooled.low is None or pooled.high is None:
        values = pooled.values if len(pooled.records) == 2 and not pooled.agree else [pooled.value]
        return ", ".join(number(value, decimals) for value in values)
    below, above = pooled.value - pooled.low, pooled.high - pooled.value
    # A narrow interval gets more decimals: "± 0.0" would say that there is no doubt.
    while 0 < pooled.high - pooled.low < 10**-decimals and decimals < _MOST_DECIMALS:
        decimals += 1
    half = number(below, decimals)
    if half == number(above, decimals) and pooled.high > pooled.low:
        return f"{number(pooled.value, decimals)} ± {half}"
    ends = f"[{number(pooled.low, decimals)}, {number(pooled.high, decimals)}]"
    return f"{number(pooled.value, decimals)} {ends}"
