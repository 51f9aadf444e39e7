"""Lines of records in one file: what a killed process left half written harms nobody.

It is cut off by the next process that writes, under the file's lock, and is passed over by whoever
reads.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .checks import instance, refuse
from .locking import hold_lock
from .types import Record

PATIENCE = 60.0  # seconds to wait for another process's lines
_log = logging.getLogger(__name__)


def parse_lines(path: Path) -> list[Record]:
    """Every record of a file whose line has an end.

    Raises:
        ValueError: if a line is not a record; names the line.
    """
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        _log.warning("%s: its last line has no end and is passed over", path)
    records = []
    # Not `splitlines`, which also divides at what may stand within a text.
    for number, line in enumerate(content[:end].split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            records.append(Record.from_json(line.decode("utf-8")))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    return records


def format_lines(records: Iterable[Record]) -> str:
    """Records as lines.

    Raises:
        ValueError: if a number is not finite.
    """
    lines = (instance("records", record, Record, "records").to_json() for record in records)
    return "".join(f"{line}\n" for line in lines)


def append_lines(path: Path, lines: str) -> None:
    """Adds whole lines; the caller holds the lock."""
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                end = file.read().rfind(b"\n") + 1
                _log.warning("%s: its last line is cut short and is removed", path)
                file.truncate(end)
        file.write(lines.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def mark_job(records: Sequence[Record], key: str) -> list[Record]:
    """The records of a run as they stand in a file, each with its key."""
    return [record._replace(job=key, job_records=len(records)) for record in records]


def whole_jobs(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records of every run that was written whole, by its key."""
    jobs: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.job:
            jobs[record.job].append(record)
    # A run that was broken off while it wrote was done again: its last records count.
    counts = {key: job[-1].job_records for key, job in jobs.items()}
    return {key: job[-counts[key] :] for key, job in jobs.items() if len(job) >= counts[key]}


@contextmanager
def hold_file(path: Path) -> Iterator[bool]:
    """Holds the lock of a file, which is there afterwards and can be written; see `hold_lock`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        refuse(
            "path",
            f"a file that can be written ({error.strerror or error})",
            str(path),
            "Choose another folder.",
            kind=type(error),
        )
    with hold_lock(path, patience=PATIENCE) as held:
        yield held
