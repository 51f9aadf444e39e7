"""Records on disk, one JSON line each: the one way to write and to read them.

Several processes may write to one file: each takes its lock, so that lines never mix. What a
killed process left half written is cut off by the next one that writes, under that lock, and is
skipped when the file is read.
"""

from __future__ import annotations

import logging
import os
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock, Timeout

from .checks import (
    checked_call,
    finite,
    input_file,
    instance,
    output_file,
    refuse,
    text,
)
from .types import About, Record
from .version import __version__

_PATIENCE = 60.0  # seconds to wait for another process's lines
_log = logging.getLogger(__name__)


@checked_call()
class Run(NamedTuple):
    """What all records of one run have in common.

    Attributes:
        about: whose result, and on what.
        seed: of the run.
        seconds: wall-clock time.
        settings: JSON values.
        device: where it was computed.
    """

    about: About
    seed: int = 0
    seconds: float = 0.0
    settings: Mapping[str, Any] = {}
    device: str = "cpu"

    def record(
        self,
        task: str,
        metric: str,
        value: float,
        *,
        ends: tuple[float, float] | None = None,
        interval: str = "",
        n: int = 0,
        unit: str = "%",
        higher_is_better: bool = True,
    ) -> Record:
        """A record of this run.

        Args:
            task: what was done, e.g. ``"knn"``.
            metric: what the value is.
            value: the result.
            ends: of its 95 % interval; ``None`` for none.
            interval: what the interval is.
            n: what the value is computed from.
            unit: of the value.
            higher_is_better: which way is better.

        Raises:
            ValueError: if the value is not finite.

        Example:
            >>> run = Run(About("MoCo", dataset="scenes"), seed=1)
            >>> run.record("knn", "top-1", 71.5, n=600).dataset
            'scenes'
        """
        finite(f"{metric} of {task} on {self.about.dataset or 'the test set'}", value)
        about = self.about
        return Record(
            task=task,
            dataset=about.dataset,
            metric=metric,
            value=float(value),
            low=None if ends is None else float(ends[0]),
            high=None if ends is None else float(ends[1]),
            interval="" if ends is None else interval,
            n=n,
            unit=unit,
            higher_is_better=higher_is_better,
            method=about.method or about.architecture,
            checkpoint=about.checkpoint,
            pretraining=about.pretraining,
            architecture=about.architecture,
            parameters=about.parameters,
            weights=about.weights,
            view=dict(about.view),
            seed=self.seed,
            seconds=self.seconds,
            settings=dict(self.settings),
            versions={"instdisc": __version__, "torch": str(torch.__version__)},
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            device=device_name(self.device),
        )


@checked_call()
def device_name(device: str | torch.device) -> str:
    """What computes, for a record: the model of a GPU, else the kind of device.

    Example:
        >>> device_name("cpu").startswith("cpu")
        True
    """
    device = torch.device(device)
    if device.type == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()})" if device.type == "cpu" else str(device)


@checked_call()
def append_records(records: Iterable[Record], path: str | Path) -> None:
    """Adds records to a file, which is made with its folder if need be.

    Args:
        records: what to add.
        path: a ``.jsonl`` file.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if a number of a record is not finite; then nothing is written.
    """
    lines = "".join(_line(record) for record in records)
    path = Path(path)
    with _locked(path):
        _append(path, lines)


@checked_call(key=text)
def append_job(records: Sequence[Record], path: str | Path, key: str) -> list[Record]:
    """Adds the records of a run, unless they stand in the file already.

    Args:
        records: all of the run.
        path: a ``.jsonl`` file; it is made with its folder if need be.
        key: a hash of all that the run depends on.

    Returns:
        The records of the run as they stand in the file.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if a number of a record is not finite, or the file holds a line that is no
            record.
    """
    path = Path(path)
    marked = [record._replace(job=key, job_records=len(records)) for record in records]
    lines = "".join(record.to_json() + "\n" for record in marked)
    with _locked(path):
        stored = _jobs(_parse(path)).get(key)
        if stored is not None:
            return stored
        _append(path, lines)
    return marked


@checked_call(path=input_file)
def read_records(path: str | Path) -> list[Record]:
    """Every record of a file, of this release or an earlier one.

    A last line without an end is passed over with a line in the log: a process is writing it, or
    was killed while it wrote. So are records of a run that was broken off while it wrote them, if
    the run was done again.

    Args:
        path: a file that `append_records` or `append_job` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is not a record; names the line.
    """
    records = _parse(Path(path))
    lengths = {key: len(job) for key, job in _jobs(records).items()}
    written = Counter(record.job for record in records)
    kept = []
    # What a run wrote that was broken off and done again later stands before the whole.
    for record in records:
        if record.job not in lengths or written[record.job] <= lengths[record.job]:
            kept.append(record)
        written[record.job] -= 1
    return kept


@checked_call(path=output_file)
def read_jobs(path: str | Path) -> dict[str, list[Record]]:
    """The records of every run that was written whole, by its key.

    Args:
        path: a ``.jsonl`` file; it need not be there.

    Raises:
        ValueError: if a line is no record; names it.
    """
    return _jobs(_parse(Path(path))) if Path(path).exists() else {}


def _line(record: Record) -> str:
    return instance("records", record, Record, "records").to_json() + "\n"


def _jobs(records: Iterable[Record]) -> dict[str, list[Record]]:
    jobs: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.job:
            jobs[record.job].append(record)
    # A run that was broken off while it wrote was done again: its last records count.
    counts = {key: job[-1].job_records for key, job in jobs.items()}
    return {key: job[-counts[key] :] for key, job in jobs.items() if len(job) >= counts[key]}


def _parse(path: Path) -> list[Record]:
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


def _append(path: Path, lines: str) -> None:
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


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock of a file, which is there afterwards and can be written."""
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
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=_PATIENCE)
    try:
        held: Any = lock.acquire()
    except Timeout as error:
        raise TimeoutError(
            f"another process has held {lock.lock_file} for {_PATIENCE:g} s. If none is writing "
            f"to {path}, remove it."
        ) from error
    except (OSError, NotImplementedError) as error:  # a file system without locks
        _log.warning("%s cannot be locked (%s): let one process alone write to it", path, error)
        held = nullcontext()
    with held:
        yield
