"""Records as one table of methods and of results on data sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import mean
from typing import Literal, NamedTuple

from rich.markup import escape
from rich.table import Table

from instdisc.types import Record

LOWER_IS_BETTER = {"ECE", "NME", "failures above 8 %", "failures above 10 %"}


def results_table(
    records: Sequence[Record],
    *,
    title: str = "",
    rows: Literal["methods", "results"] = "methods",
) -> Table:
    """A rich table with the best value of each result in bold; print it with ``rich.print``.

    Several records of one cell (seeds) are shown as their mean with half their range, a single
    one with its 95 % interval. Higher is taken as better, but for ECE.

    Args:
        records: what to show, in the order of the rows.
        title: above the table.
        rows: ``"methods"`` for a row per method and a column per task and data set;
            ``"results"`` for a row per data set and task and a column per method, when there are
            many.

    Raises:
        ValueError: if there are no records, or `rows` is unknown.

    Example:
        >>> record = Record("knn", "scenes", "top-1", 71.5, 1.2, "%", "MoCo", "", 0, 3.1, {})
        >>> results_table([record]).row_count
        1
    """
    if not records:
        raise ValueError("`records` must hold at least one record, got none")
    if rows not in ("methods", "results"):
        raise ValueError(f"`rows` must be 'methods' or 'results', got {rows!r}")
    cells: dict[tuple[str, Result], list[Record]] = defaultdict(list)
    for record in records:
        cells[record.method, _result(record)].append(record)
    results = list(dict.fromkeys(_result(record) for record in records))
    methods = list(dict.fromkeys(record.method for record in records))
    best = {result: _best(result, methods, cells) for result in results}

    def text(method: str, result: Result) -> str:
        found = cells.get((method, result))
        if found is None:
            return ""
        bold = _value(found) == best[result]
        return f"[bold]{_text(found)}[/bold]" if bold else _text(found)

    table = Table(title=title or None)
    if rows == "methods":
        table.add_column("method")
        for result in results:
            header = f"{result.task} {result.metric}\n{result.dataset} ({result.unit})"
            table.add_column(escape(header), justify="right")
        for method in methods:
            table.add_row(escape(method), *(text(method, result) for result in results))
        return table
    table.add_column("data set", overflow="fold")
    table.add_column("task")
    for method in methods:
        table.add_column(escape(method), justify="right", overflow="fold", min_width=10)
    for dataset in dict.fromkeys(result.dataset for result in results):
        own = [result for result in results if result.dataset == dataset]
        for place, result in enumerate(own):
            table.add_row(
                "" if place else escape(dataset),
                escape(f"{result.task} {result.metric} ({result.unit})"),
                *(text(method, result) for method in methods),
                end_section=place == len(own) - 1,
            )
    return table


class Result(NamedTuple):
    """What is measured."""

    task: str
    dataset: str
    metric: str
    unit: str


def _result(record: Record) -> Result:
    return Result(record.task, record.dataset, record.metric, record.unit)


def _best(
    result: Result, methods: Sequence[str], cells: dict[tuple[str, Result], list[Record]]
) -> float:
    values = [_value(cells[m, result]) for m in methods if (m, result) in cells]
    return min(values) if result.metric in LOWER_IS_BETTER else max(values)


def _value(records: Sequence[Record]) -> float:
    return mean(record.value for record in records)


def _text(records: Sequence[Record]) -> str:
    values = [record.value for record in records]
    if len(values) > 1:
        return f"{mean(values):.1f} ± {(max(values) - min(values)) / 2:.1f}"
    interval = records[0].ci
    return f"{values[0]:.1f}" + ("" if interval is None else f" ± {interval:.1f}")
