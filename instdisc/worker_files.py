"""What workers have finished, beside the results file, until it stands in that file.

Every unit of work has two small files of its own in ``.results.jsonl.workers``, which one worker
alone writes: the records of its finished jobs, and the keys of those that it began. The driver adds
the records to the results file when the unit is done. If the driver dies first, whoever reads the
results file sees them all the same, and the next driver takes them over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .lines import PATIENCE, append_lines, format_lines, hold_file, parse_lines, whole_jobs
from .locking import hold_lock
from .types import Record

_RECORDS = ".jsonl"
_BEGUN = ".begun"
_FORGOTTEN = 30 * 24 * 3600.0  # seconds after which nobody asks what a unit had begun
_log = logging.getLogger(__name__)


def keep_job(results: Path, unit: str, records: Sequence[Record]) -> None:
    """Keeps the records of a finished job; called by the worker.

    Args:
        results: the ``.jsonl`` file that they belong to.
        unit: the name of the unit of work.
        records: all of the job, with its key.
    """
    lines = format_lines(records)
    results.parent.mkdir(parents=True, exist_ok=True)
    # The lock of the results file, so that `take_over` removes no file that is being written.
    with hold_lock(results, patience=PATIENCE):
        _write(_path(results, unit, _RECORDS), lambda path: append_lines(path, lines))


def kept_jobs(results: Path, unit: str = "*") -> dict[str, list[Record]]:
    """The records of every whole job in workers' files, by its key.

    Args:
        results: the ``.jsonl`` file that they belong to.
        unit: the name of a unit of work, or ``"*"`` for all.

    Raises:
        ValueError: if a line is no record; names it.
    """
    jobs: dict[str, list[Record]] = {}
    for path in sorted(_folder(results).glob(f"{unit}{_RECORDS}")):
        try:
            jobs = {**whole_jobs(parse_lines(path)), **jobs}
        except FileNotFoundError:  # taken over just now
            continue
    return jobs


def take_over(results: Path) -> None:
    """Adds what workers' files hold to the results file, once, and removes them.

    Args:
        results: the ``.jsonl`` file.

    Raises:
        OSError: if it cannot be written.
        ValueError: if a line is no record; names it.
    """
    folder = _folder(results)
    if not folder.is_dir():
        return
    with hold_file(results) as held:
        stored = whole_jobs(parse_lines(results))
        paths = sorted(folder.glob(f"*{_RECORDS}"))
        new = {key: job for key, job in kept_jobs(results).items() if key not in stored}
        if new:
            append_lines(results, format_lines(record for job in new.values() for record in job))
            _log.info("%s: took over %d results of workers", results, len(new))
        if held:  # else a worker whose driver died may be writing now
            for path in paths:
                path.unlink(missing_ok=True)
    for path in folder.glob(f"*{_BEGUN}"):
        if _age(path) > _FORGOTTEN:
            path.unlink(missing_ok=True)
    _remove_empty(folder)


def note_begun(results: Path, unit: str, key: str) -> None:
    """Notes that a job begins; called by the worker. See `begun_jobs`."""

    def add(path: Path) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{key}\n")

    _write(_path(results, unit, _BEGUN), add)


def begun_jobs(results: Path, unit: str) -> list[str]:
    """The keys of the jobs that a unit of work began: if its process died, the last one saw it."""
    path = _path(results, unit, _BEGUN)
    return path.read_text(encoding="utf-8").split() if path.is_file() else []


def forget_unit(results: Path, unit: str) -> None:
    """Removes the files of a unit that is over and whose records stand in the results file."""
    for ending in (_RECORDS, _BEGUN):
        _path(results, unit, ending).unlink(missing_ok=True)
    _remove_empty(_folder(results))


def _folder(results: Path) -> Path:
    return results.with_name(f".{results.name}.workers")


def _path(results: Path, unit: str, ending: str) -> Path:
    return _folder(results) / f"{unit}{ending}"


def _write(path: Path, write: Callable[[Path], None]) -> None:
    """Writes in a folder that another process may find empty, and remove, at any moment."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return write(path)
        except FileNotFoundError:
            continue


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # not empty, or gone
        return


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
