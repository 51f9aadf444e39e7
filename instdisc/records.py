"""Records on disk, one JSON line each: the one way to write and to read them.

Several processes may write to one file: each takes its lock, so that lines never mix. Where workers
of a suite write to files of their own, see `instdisc.worker_files`, reading joins them.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import torch

from .checks import (
    checked_call,
    finite,
    input_file,
    output_file,
    text,
)
from .lines import append_lines, format_lines, hold_file, mark_job, parse_lines, whole_jobs
from .types import About, Record
from .version import __version__
from .worker_files import kept_jobs


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
    lines = format_lines(records)
    path = Path(path)
    with hold_file(path):
        append_lines(path, lines)


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
    marked = mark_job(records, key)
    lines = format_lines(marked)
    with hold_file(path):
        stored = whole_jobs(parse_lines(path)).get(key)
        if stored is not None:
            return stored
        append_lines(path, lines)
    return marked


@checked_call(path=input_file)
def read_records(path: str | Path) -> list[Record]:
    """Every record of a file, of this release or an earlier one.

    A last line without an end is passed over with a line in the log: a process is writing it, or
    was killed while it wrote. So are records of a run that was broken off while it wrote them, if
    the run was done again. What workers of a suite have finished stands behind the rest, see
    `instdisc.worker_files`.

    Args:
        path: a file that `append_records` or `append_job` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is not a record; names the line.
    """
    records = _joined(Path(path))
    lengths = {key: len(job) for key, job in whole_jobs(records).items()}
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
    """The records of every run that was written whole, by its key; also those in workers' files.

    Args:
        path: a ``.jsonl`` file; it need not be there.

    Raises:
        ValueError: if a line is no record; names it.
    """
    return whole_jobs(_joined(Path(path)))


def _joined(path: Path) -> list[Record]:
    """The records of a file, and behind them those of runs that are in workers' files alone."""
    kept = kept_jobs(path)  # first: a driver adds to the file before it removes one of these
    records = parse_lines(path) if path.exists() else []
    stored = whole_jobs(records)
    return [*records, *(row for key, job in kept.items() if key not in stored for row in job)]
