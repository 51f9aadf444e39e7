"""Records as numbers of checkpoints: what is the same number, and whose it is.

Legend: M checkpoints.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from statistics import fmean
from typing import Any, NamedTuple

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.types import Record

# Tasks whose numbers are what a checkpoint is worth; all others tell something about it.
TRANSFER_TASKS = (
    *("knn", "linear", "linear_grid", "moco_linear", "readout"),
    *("few_shot*", "finetune*", "detection", "segmentation", "landmarks"),
)
# What looks at a trained head tells of a result, not of the checkpoint before it.
_OF_RESULTS = ("tide", "hoiem", "calibration", "confident_errors")


@checked_call()
class Number(NamedTuple):
    """What a value is.

    Attributes:
        task: see `Record`.
        dataset: on what.
        metric: what was measured.
        settings: those in which it differs from other numbers of that name, as a text.
    """

    task: str
    dataset: str
    metric: str
    settings: str = ""

    @property
    def text(self) -> str:
        """For a table.

        Example:
            >>> Number("few_shot", "scenes", "5-way logistic", "shots=5").text
            'few_shot scenes, 5-way logistic, shots=5'
        """
        parts = [f"{self.task} {self.dataset}".strip(), self.metric, self.settings]
        return ", ".join(part for part in parts if part)


class NumberTable(NamedTuple):
    """Values by number and checkpoint.

    Attributes:
        names: of the M checkpoints, what tables call them.
        values: for each number the value of each checkpoint that has it, by its position; turned
            so that higher is better.
        turned: numbers of which less is better: their values are negative.
    """

    names: list[str]
    values: dict[Number, dict[int, float]]
    turned: set[Number]


def number_table(records: Iterable[Record]) -> NumberTable:
    """Values of records by what they are and whose.

    A checkpoint is known by the hash of its weights, else by method and file. Records of several
    seeds are averaged. Records of one checkpoint and seed that differ in settings or view are
    different numbers.

    Args:
        records: of a results file.

    Raises:
        TypeError: if one is no record.
        ValueError: if records of one number disagree on which way is better, or a value is not
            finite.
    """
    records = list(records)
    for record in records:
        checks.instance("records", record, Record, "records")
        checks.finite("records", record.value)
    places: dict[str, int] = {}
    names: list[str] = []
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        if _whose(record) not in places:
            places[_whose(record)] = len(places)
            names.append(record.method or record.architecture or _whose(record))
        groups[record.task, record.dataset, record.metric].append(record)
    values: dict[Number, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    turned = set()
    for (task, dataset, metric), group in groups.items():
        directions = {record.higher_is_better for record in group}
        if len(directions) > 1:
            rule = f"of one `higher_is_better` for {metric!r} of {task!r} on {dataset!r}"
            checks.refuse("records", rule, sorted(directions))
        apart = _differing(group)
        for record in group:
            settings = _asked(record)
            told = ", ".join(f"{name}={settings[name]}" for name in apart if name in settings)
            number = Number(task, dataset, metric, told)
            if not record.higher_is_better:
                turned.add(number)
            sign = 1 if record.higher_is_better else -1
            values[number][places[_whose(record)]].append(sign * record.value)
    averaged = {
        number: {place: fmean(several) for place, several in row.items()}
        for number, row in values.items()
    }
    return NumberTable(_distinct(names), averaged, turned)


def split_numbers(
    numbers: Iterable[Number], results: Sequence[str], source: Collection[str]
) -> tuple[list[Number], list[Number]]:
    """Numbers that may predict, and those that are predicted.

    Args:
        numbers: all there are.
        results: patterns of the tasks that are predicted. Numbers of single classes, whose metric
            has a comma, are none, and do not predict; nor do the errors of a detector or head.
        source: sets of the pretraining: on these nothing is predicted, all predicts.
    """
    first, second = [], []
    for number in numbers:
        if number.task in _OF_RESULTS:
            continue
        worth = any(fnmatchcase(number.task, pattern) for pattern in results)
        if not worth or number.dataset in source:
            first.append(number)
        elif ", " not in number.metric:
            second.append(number)
    return first, second


def _whose(record: Record) -> str:
    return record.weights or f"{record.method} {record.checkpoint} {record.architecture}".strip()


def _asked(record: Record) -> dict[str, str]:
    fields: dict[str, Any] = {**record.settings, **{f"view.{k}": v for k, v in record.view.items()}}
    return {name: json.dumps(value, sort_keys=True) for name, value in fields.items()}


def _differing(group: Sequence[Record]) -> list[str]:
    """Settings in which records of one checkpoint and seed differ."""
    same: dict[tuple[str, int], list[dict[str, str]]] = defaultdict(list)
    for record in group:
        same[_whose(record), record.seed].append(_asked(record))
    apart: dict[str, None] = {}
    for several in same.values():
        for name in dict.fromkeys(name for settings in several for name in settings):
            if len({settings.get(name) for settings in several}) > 1:
                apart[name] = None
    return list(apart)


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of which none occurs twice."""
    counts: dict[str, int] = defaultdict(int)
    distinct = []
    for name in names:
        counts[name] += 1
        distinct.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return distinct
