"""The results of jobs in one file, where each is found again by its key."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from pathlib import Path

from instdisc.types import Record

_log = logging.getLogger(__name__)


def append_job(path: Path, key: str, records: list[Record]) -> list[Record]:
    """Writes the records of a job, each with the job's key and with their number.

    Args:
        path: a ``.jsonl`` file; it is made with its folder if need be.
        key: of the job.
        records: all of them.

    Returns:
        The records as they were written.
    """
    mark = {"job": key, "job_records": len(records)}
    marked = [record._replace(settings={**record.settings, **mark}) for record in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("".join(record.to_json() + "\n" for record in marked))
        file.flush()
        os.fsync(file.fileno())
    return marked


def read_jobs(path: Path) -> dict[str, list[Record]]:
    """The records of every job that was written whole, by its key.

    A last line without an end is what a run left that was killed while it wrote: it is removed.

    Args:
        path: the file; it need not be there.

    Raises:
        ValueError: if a line is no record; names it.
    """
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        _log.warning("%s: its last line is cut short and is removed", path)
        os.truncate(path, whole)
    found: dict[str, list[Record]] = defaultdict(list)
    for number, line in enumerate(content[:whole].decode().splitlines(), start=1):
        try:
            record = Record.from_json(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        if "job" in record.settings:
            found[record.settings["job"]].append(record)
    # A job that was broken off while it wrote was run again: its last records count.
    counts = {key: int(records[-1].settings["job_records"]) for key, records in found.items()}
    return {
        key: records[-counts[key] :]
        for key, records in found.items()
        if len(records) >= counts[key]
    }
