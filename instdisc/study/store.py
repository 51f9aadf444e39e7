"""The files of a study: what was tried, measured and finished, one JSON line each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from filelock import FileLock

from instdisc.records import append_job, read_records
from instdisc.types import Record
from instdisc.writing import write_atomically

_LONGEST = 200  # characters of a setting that is committed


class Store:
    """The files of one preset in a folder.

    Args:
        folder: is made when something is added.
        name: of the preset.

    Attributes:
        results: records of all cells.
        differences: records of the paired differences between cells of one seed.
        verdicts: of the claims.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.results = folder / f"{name}.jsonl"
        self.differences = folder / f"{name}_differences.jsonl"
        self.verdicts = folder / f"{name}_verdicts.jsonl"
        self._trials = folder / f"{name}_rates.jsonl"
        self._cells = folder / f"{name}_cells.jsonl"
        self._notes = folder / f"{name}_notes.jsonl"

    def records(self) -> list[Record]:
        """Of all cells."""
        return read_records(self.results) if self.results.exists() else []

    def paired(self) -> list[Record]:
        """Differences between cells of one seed."""
        return read_records(self.differences) if self.differences.exists() else []

    def trials(self) -> list[dict[str, Any]]:
        """Of learning rates."""
        return _read(self._trials, "method")

    def cells(self) -> list[dict[str, Any]]:
        """What was finished."""
        return _read(self._cells, "method")

    def decided(self) -> list[dict[str, Any]]:
        """The verdicts, as `claims.write_verdicts` wrote them."""
        return _read(self.verdicts, "claim")

    def notes(self) -> list[dict[str, Any]]:
        """What was looked into after a verdict: ``{"claim": ..., "verdict": ..., "note": ...}``."""
        return _read(self._notes, "claim")

    def add_records(self, records: Iterable[Record]) -> None:
        """Adds the records of jobs that are not there yet."""
        for job, rows in groupby(sorted(records, key=lambda row: row.job), lambda row: row.job):
            append_job(list(rows), self.results, job)

    def put_differences(self, records: Iterable[Record]) -> None:
        """Adds differences; each takes the place of an earlier one of the same networks."""
        kept = {_difference(record): record for record in [*self.paired(), *records]}
        text = "".join(record.to_json() + "\n" for record in kept.values())
        write_atomically(self.differences, lambda file: file.write_text(text, encoding="utf-8"))

    def add_trial(self, trial: Mapping[str, Any]) -> None:
        """Adds a trial of a learning rate."""
        _append(self._trials, trial)

    def add_cell(self, cell: Mapping[str, Any]) -> None:
        """Adds what was finished."""
        _append(self._cells, cell)


def committed(record: Record, *, cell: str, metrics: Sequence[str] | None) -> Record | None:
    """A record as it is committed: its checkpoint is a name, no path, and no setting is long.

    Args:
        record: of a suite.
        cell: the name of the checkpoint.
        metrics: that are committed; ``None``: all.
    """
    if metrics is not None and record.metric not in metrics:
        return None
    settings = {
        name: value
        for name, value in record.settings.items()
        if len(json.dumps(value)) <= _LONGEST and not _names_path(value)
    }
    return record._replace(checkpoint=f"{cell}.safetensors", settings=settings)


def _difference(record: Record) -> tuple[str, ...]:
    """What tells a difference from all others."""
    settings = {name: value for name, value in record.settings.items() if name != "p"}
    place = (record.method, str(record.seed), record.dataset, record.task, record.metric)
    return (*place, json.dumps(settings, sort_keys=True))


def _names_path(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_names_path, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_names_path, value))
    return isinstance(value, str) and Path(value).is_absolute()


def _read(path: Path, key: str) -> list[dict[str, Any]]:
    """The objects of a file, each of which must have a key; none if there is no file.

    Raises:
        ValueError: if a line is none; names it.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        if not isinstance(row, dict) or key not in row:
            raise ValueError(f"{path}, line {number}: no JSON object with {key!r}: {line[:100]}")
        rows.append(row)
    return rows


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
