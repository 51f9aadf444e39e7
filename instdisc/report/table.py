"""Records as one table: a row per method, a column per task and data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import mean

from rich.markup import escape
from rich.table import Table

from instdisc.types import Record


def results_table(records: Sequence[Record], *, title: str = "") -> Table:
    """A rich table, best value of each column in bold; print it with ``rich.print``.

    Several records of one cell (seeds) are shown as their mean with half their range, a single
    one with its 95 % interval. Higher is taken as better.

    Args:
        records: what to show, in the order of the rows.
        title: above the table.

    Raises:
        ValueError: if there are no records.

    Example:
        >>> record = Record("knn", "scenes", "top-1", 71.5, 1.2, "%", "MoCo", "", 0, 3.1, {})
        >>> results_table([record]).row_count
        1
    """
    if not records:
        raise ValueError("`records` must hold at least one record, got none")
    cells: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        cells[record.method, _column(record)].append(record)
    columns = list(dict.fromkeys(_column(record) for record in records))
    methods = list(dict.fromkeys(record.method for record in records))
    best = {
        column: max(_value(cells[m, column]) for m in methods if (m, column) in cells)
        for column in columns
    }
    table = Table(title=title or None)
    table.add_column("method")
    for column in columns:
        table.add_column(escape(column), justify="right")
    for method in methods:
        row = []
        for column in columns:
            found = cells.get((method, column))
            text = "" if found is None else _text(found)
            bold = found is not None and _value(found) == best[column]
            row.append(f"[bold]{text}[/bold]" if bold else text)
        table.add_row(escape(method), *row)
    return table


def _column(record: Record) -> str:
    return f"{record.task} {record.metric}\n{record.dataset} ({record.unit})"


def _value(records: Sequence[Record]) -> float:
    return mean(record.value for record in records)


def _text(records: Sequence[Record]) -> str:
    values = [record.value for record in records]
    if len(values) > 1:
        return f"{mean(values):.1f} ± {(max(values) - min(values)) / 2:.1f}"
    interval = records[0].ci
    return f"{values[0]:.1f}" + ("" if interval is None else f" ± {interval:.1f}")
