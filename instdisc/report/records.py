"""Records on disk: one JSON line each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from instdisc.types import Record


def append_records(records: Iterable[Record], path: str | Path) -> None:
    """Adds records to a file, which is made with its folder if need be.

    Args:
        records: what to add.
        path: a ``.jsonl`` file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(record.to_json() + "\n" for record in records)


def read_records(path: str | Path) -> list[Record]:
    """Every record of a file.

    Args:
        path: a file that `append_records` wrote.

    Raises:
        ValueError: if a line is not a record; names the line.
    """
    records = []
    for number, line in enumerate(Path(path).read_text().splitlines(), start=1):
        try:
            records.append(Record.from_json(line))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    return records
