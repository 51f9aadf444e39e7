"""The columns of CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .text import read_text


def column_names(table: Path) -> list[str]:
    """The names in the first row of a CSV file; none if it is empty.

    Raises:
        ValueError: if a name comes twice, or the file is not in UTF-8 (see `read_text`).
    """
    return next(_rows(table), (1, []))[1]


def read_columns(table: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The line and the values of some columns of each row of a CSV file; empty rows are passed.

    Args:
        table: the file: columns parted by commas, in ``.tsv`` by tabs; see `read_text` for what
            its encoding may be.
        columns: their names.

    Raises:
        ValueError: if a column is missing or comes twice, a row has more or fewer columns than
            the first, or the file is not in UTF-8; names the line.
    """
    rows = _rows(table)
    _, header = next(rows, (1, []))
    require_columns(table, header, columns)
    places = [header.index(name) for name in columns]
    for line, row in rows:
        if not any(row):
            continue
        if len(row) != len(header):
            raise ValueError(
                f"line {line} of {table.name} has {len(row)} columns instead of {len(header)}"
            )
        yield line, [row[place] for place in places]


def require_columns(table: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    """Raises a ValueError if a column is not among those of the first row."""
    missing = [name for name in columns if name not in header]
    if missing:
        parted = len(header) == 1 and ";" in header[0]
        raise ValueError(
            f"{table.name} has no column {missing[0]!r}; its first line has "
            f"{', '.join(map(repr, header[:10])) or 'none'}"
            + ". Part its columns by commas, not by semicolons."
            * parted
        )


def require_asked(table: Path, asked: Mapping[str, str]) -> None:
    """Refuses a column that is not there under the argument that asks for it.

    Args:
        table: the file.
        asked: columns by the names of the arguments.

    Raises:
        ValueError: names the argument and the first row.
    """
    header = column_names(table)
    for argument, column in asked.items():
        try:
            require_columns(table, header, [column])
        except ValueError as error:
            raise ValueError(f"`{argument}` must be a column, but {error}") from error


def _rows(table: Path) -> Iterator[tuple[int, list[str]]]:
    """The line and the cells of each row, the names of the columns first."""
    delimiter = "\t" if table.suffix.lower() == ".tsv" else ","
    reader = csv.reader(io.StringIO(read_text(table), newline=""), delimiter=delimiter)
    first = True
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            twice = [name for name in row if name and row.count(name) > 1] if first else []
            if twice:
                raise ValueError(f"{table.name} must have each column once, got {twice[0]!r} twice")
            first = False
            yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} of {table.name} is no CSV: {error}") from error
