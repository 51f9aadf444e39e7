"""Tables of the page in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from instdisc.report.grid import Sheet
from instdisc.report.markdown import markdown_text

from .material import Study
from .values import Column, Summary, Values, shown
from .words import counted, label


def plain_table(header: Sequence[str], rows: Iterable[Sequence[str]], words: int | None = 1) -> str:
    """A table of texts in Markdown.

    Args:
        header: of the columns.
        rows: of each its cells.
        words: so many columns from the left are aligned to the left; ``None``: all.

    Example:
        >>> print(plain_table(["a", "b"], [["x", "2"]]))
        | a | b |
        | :-- | --: |
        | x | 2 |
    """
    left = len(header) if words is None else words
    aligned = [":--" if place < left else "--:" for place in range(len(header))]
    lines = [header, aligned, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def method_table(
    study: Study, values: Values, columns: Sequence[Column], *, bold: bool = True
) -> str:
    """A row for each method that has any of the columns, with what a cell is; ``""`` for none.

    Args:
        study: for the order of methods.
        values: of its records.
        columns: quantities.
        bold: whether the best of each column is: not of numbers that describe and do not rank.
    """
    table = {
        method: [values.summary(method, column) for column in columns] for method in study.methods
    }
    table = {method: row for method, row in table.items() if any(row)}
    if not table:
        return ""
    bold = bold and len(table) > 1
    best = [_best([row[place] for row in table.values()]) for place in range(len(columns))]
    body = [
        [(label(method), False)]
        + [
            (shown(cell), bold and cell is not None and cell.mean == best[place])
            for place, cell in enumerate(row)
        ]
        for method, row in table.items()
    ]
    header = [["method"], *([column.title] for column in columns)]
    cells = [cell for row in table.values() for cell in row if cell is not None]
    return markdown_text(Sheet(header, 1, body, set()), "", [cell_note(cells, bold)])


def cell_note(cells: Sequence[Summary], bold: bool) -> str:
    """What the cells of a table are.

    Args:
        cells: at least one.
        bold: whether the best are.

    Example:
        >>> cell_note([Summary({0: 1.0}, "%", True)], False)
        'Values of one seed, in %.'
    """
    counts = sorted({len(cell.by_seed) for cell in cells})
    units = {cell.unit for cell in cells}
    of = f", in {units.pop()}" if len(units) == 1 and "" not in units else ""
    parts = []
    many = [count for count in counts if count > 2]
    if many:
        span = f"{many[0]} to {many[-1]} seeds" if len(many) > 1 else counted(many[0], "seed")
        parts.append(f"mean over {span} ± half of its 95 % t interval{of}")
    if 2 in counts:
        parts.append(f"two numbers are of two seeds{of if not parts else ''}")
    if counts == [1]:
        parts.append(f"values of one seed{of}")
    elif 1 in counts:
        parts.append("a single number is of one seed")
    if bold:
        ways = {cell.higher_is_better for cell in cells}
        way = "best" if len(ways) > 1 else "highest" if ways == {True} else "lowest"
        parts.append(f"bold: the {way} of its column, not tested")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _best(cells: Sequence[Summary | None]) -> float | None:
    """Of a column; ``None`` where all are equal."""
    there = [cell for cell in cells if cell is not None]
    means = [cell.mean for cell in there]
    if len(set(means)) < 2:
        return None
    return max(means) if there[0].higher_is_better else min(means)
