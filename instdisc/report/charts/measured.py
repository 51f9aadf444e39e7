"""What the charts draw: values of records, pooled over seeds, by method and result."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from instdisc.types import Record

from ..comparison import Comparison
from ..grid import number
from ..labels import shortest_names
from ..material import Material
from ..notes import intervals
from ..pooling import Pooled, Result, method_labels, pool, split_results

_Key = TypeVar("_Key", bound=Hashable)


class Measured(NamedTuple):
    """A value of a method.

    Attributes:
        method: its label, as in the tables.
        result: what was measured.
        pooled: the value with its interval, and the records that it is from.
    """

    method: str
    result: Result
    pooled: Pooled

    @property
    def record(self) -> Record:
        """The first of its records, which tells settings and predictions."""
        return self.pooled.records[0]


def measure(material: Material, wanted: Callable[[Record], bool]) -> list[Measured]:
    """Values of the records that are wanted, pooled over seeds.

    Args:
        material: all records: labels of methods depend on all of them.
        wanted: whether a record is drawn.
    """
    labelled = zip(material.records, label_methods(material.records), strict=True)
    kept = [(record, method) for record, method in labelled if wanted(record)]
    if not kept:
        return []
    records, methods = [record for record, _ in kept], [method for _, method in kept]
    groups: dict[tuple[str, Result], list[Record]] = defaultdict(list)
    for record, method, result in zip(
        records, methods, split_results(records, methods), strict=True
    ):
        groups[method, result].append(record)
    return [Measured(*key, pool(group)) for key, group in groups.items()]


def label_methods(records: Sequence[Record]) -> list[str]:
    """`method_labels` of many records: each kind of record is looked at once.

    Args:
        records: all of a report.
    """
    if not records:
        return []
    keys = [
        (r.method, r.architecture, r.parameters, r.pretraining, r.seed, r.weights, r.checkpoint)
        for r in records
    ]
    first = dict(zip(reversed(keys), reversed(records), strict=True))
    first = {key: first[key] for key in dict.fromkeys(keys)}
    labels = dict(zip(first, method_labels(list(first.values())), strict=True))
    return [labels[key] for key in keys]


def full_headlines(comparison: Comparison) -> list[Measured]:
    """`headlines` without those of a smaller share of labels than others of the task and set."""
    values = headlines(comparison)
    most: dict[tuple[str, str], tuple[float, float]] = {}
    for value in values:
        key = value.result.task, value.result.dataset
        most[key] = max(most.get(key, (0.0, 0.0)), _labels(value))
    return [v for v in values if _labels(v) == most[v.result.task, v.result.dataset]]


def _labels(value: Measured) -> tuple[float, float]:
    """Labels of each class, or the share of all labels: what there was to learn from."""
    settings = value.record.settings
    share, per_class = settings.get("share"), settings.get("per_class")
    if isinstance(per_class, int | float):
        return 0.0, float(per_class)
    return float(share) if isinstance(share, int | float) else 1.0, 0.0


def headlines(comparison: Comparison) -> list[Measured]:
    """The values by which methods are compared: one metric of each task and data set."""
    return [
        Measured(method, result, comparison.cells[method, result])
        for result in comparison.headlines
        for method in comparison.methods
        if (method, result) in comparison.cells
    ]


def group_by(
    values: Iterable[Measured], key: Callable[[Measured], _Key]
) -> dict[_Key, list[Measured]]:
    """Values with the same key, in their order."""
    groups: dict[_Key, list[Measured]] = defaultdict(list)
    for value in values:
        groups[key(value)].append(value)
    return dict(groups)


def set_names(values: Iterable[Measured]) -> dict[str, str]:
    """What each data set is called: the shortest name that is unique."""
    return shortest_names(value.result.dataset for value in values)


def interval_sentence(values: Iterable[Measured]) -> str:
    """What the lines beside the points are; ``""`` if no value has an interval."""
    text = intervals({(value.method, value.result): value.pooled for value in values})
    return f" Lines: {text}" if text else ""


def told(value: float, unit: str) -> str:
    """A value with its unit, as the alternative texts say it.

    Example:
        >>> told(71.54, "%"), told(0.1234, ""), told(-3.0, "AP")
        ('71.5 %', '0.123', '-3.0 AP')
    """
    text = number(value, 1 if unit == "%" or abs(value) >= 1 else 3)
    return f"{text} {unit}".strip()


def ranking(values: Sequence[Measured]) -> str:
    """Methods from best to worst with their values.

    Args:
        values: of one result.
    """
    result = values[0].result
    ordered = sorted(values, key=lambda value: value.pooled.value, reverse=result.higher_is_better)
    shown = [f"{value.method} {told(value.pooled.value, result.unit)}" for value in ordered]
    if len(shown) > 4:
        shown = [*shown[:2], "…", shown[-1]]
    return ", ".join(shown).replace(", …, ", ", … ")


def slug(*parts: str) -> str:
    """A name for links and files.

    Example:
        >>> slug("forest", "few_shot 5-way", "$<x>")
        'forest-few-shot-5-way-x'
    """
    return "-".join(
        word for part in parts for word in re.sub(r"[^a-z0-9]+", " ", part.lower()).split()
    )


def unit_of(label: str, unit: str) -> str:
    """A label of an axis with its unit."""
    return f"{label} ({unit})" if unit else label
