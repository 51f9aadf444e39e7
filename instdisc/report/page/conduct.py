"""How the numbers of a report came about: commands, settings, versions, hardware, seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from instdisc.runs import RunNote
from instdisc.types import Record

from ..identity import asked
from ..labels import label
from .networks import describe_view

_MOST_VALUES = 6


class TaskRuns(NamedTuple):
    """How one task was run.

    Attributes:
        task: without its stage.
        runs: how many.
        seconds: of all runs together, e.g. ``"1 h 12 min"``.
        settings: names, and the values that they have.
    """

    task: str
    runs: int
    seconds: str
    settings: list[tuple[str, str]]


class Machine(NamedTuple):
    """A release on a device.

    Attributes:
        versions: e.g. ``"instdisc 0.2.0, torch 2.14.1"``.
        device: on which it ran.
        records: how many.
        dates: the first and the last day.
        seconds: of all runs together.
    """

    versions: str
    device: str
    records: int
    dates: str
    seconds: str


class Skipped(NamedTuple):
    """What was asked for and has no result."""

    what: str
    why: str
    date: str


def describe_tasks(families: Mapping[str, Sequence[Record]]) -> list[TaskRuns]:
    """The settings of each task.

    Args:
        families: records by task without its stage.
    """
    tasks = []
    for task, records in families.items():
        values: dict[str, dict[str, None]] = defaultdict(dict)
        for record in records:
            if record.view:
                values["view"].setdefault(describe_view(record.view))
            for name, value in asked(record).items():
                if name.startswith("settings.") and name != "settings.data":
                    text = label({name: value}, [name])
                    values[_words(name)].setdefault(text.removeprefix(f"{_words(name)} "))
        settings = [(name, _some(list(texts))) for name, texts in values.items()]
        runs = _runs(records)
        tasks.append(TaskRuns(task, len(runs), _duration(sum(runs.values())), settings))
    return tasks


def describe_machines(records: Sequence[Record]) -> list[Machine]:
    """The releases and devices, in the order in which they appear.

    Args:
        records: all of the report.
    """
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
        groups[versions, record.device].append(record)
    machines = []
    for (versions, device), group in groups.items():
        days = sorted({record.date[:10] for record in group if record.date})
        dates = " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""
        seconds = _duration(sum(_runs(group).values()))
        machines.append(Machine(versions, device, len(group), dates, seconds))
    return machines


def describe_skipped(notes: Sequence[RunNote]) -> list[Skipped]:
    """What was asked for and has no result; of a command that was repeated the last call counts.

    Args:
        notes: of the calls, in their order.
    """
    last = {note.command: note for note in notes}
    return [
        Skipped(what, why, note.date[:16].replace("T", " "))
        for note in last.values()
        for what, why in note.missing
    ]


def _runs(records: Sequence[Record]) -> dict[Any, float]:
    """Seconds by run: the records of one run all tell the same."""
    return {
        record.job or (record.task, record.dataset, record.method, record.seed): record.seconds
        for record in records
    }


def _words(name: str) -> str:
    """The last part of a dotted name, as `label` writes it."""
    return name.rpartition(".")[2].replace("_", " ")


def _some(texts: list[str]) -> str:
    more = len(texts) - _MOST_VALUES
    return "; ".join(texts[:_MOST_VALUES]) + (f" and {more} more" if more > 0 else "")


def _duration(seconds: float) -> str:
    """In the two largest units.

    Example:
        >>> _duration(4350.0), _duration(61), _duration(2.345)
        ('1 h 12 min', '1 min 1 s', '2.3 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"
