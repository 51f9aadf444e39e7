"""Values of methods over seeds: what tables print and figures draw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from statistics import fmean
from typing import Any, NamedTuple

from instdisc.metrics import t_interval
from instdisc.report.grid import number
from instdisc.report.identity import asked, canonical, differing
from instdisc.report.labels import labels
from instdisc.report.pooling import newest_of_seeds
from instdisc.types import Record

from .words import NOTHING

_MOST_DECIMALS = 5
_ABSENT = object()  # of a setting that a record does not have


class Column(NamedTuple):
    """A quantity that each method may have: a metric, or its mean over several sets.

    Attributes:
        title: of the column.
        task: as in the records.
        metric: likewise.
        sets: over which the mean is.
        variant: settings by which records of one seed differ, by dotted names.
    """

    title: str
    task: str
    metric: str
    sets: tuple[str, ...]
    variant: Mapping[str, Any] = {}


class Summary(NamedTuple):
    """What a method has of a quantity.

    Attributes:
        by_seed: the value of each seed.
        unit: of the values.
        higher_is_better: which way is better.
    """

    by_seed: dict[int, float]
    unit: str
    higher_is_better: bool

    @property
    def mean(self) -> float:
        """Over seeds."""
        return fmean(self.by_seed.values())

    @property
    def half(self) -> float | None:
        """Half of the 95 % t interval of the mean; ``None`` below three seeds."""
        if len(self.by_seed) < 3:
            return None
        return _half_width(tuple(self.by_seed.values()))

    def text(self) -> str:
        """E.g. ``"71.5 ± 1.2"``; two seeds are both shown.

        Example:
            >>> Summary({0: 71.0, 1: 72.0}, "%", True).text(), Summary({0: 0.5}, "", True).text()
            ('71.0, 72.0', '0.500')
        """
        decimals = 1 if self.unit == "%" or abs(self.mean) >= 10 else 3
        if self.half is None:
            return ", ".join(number(value, decimals) for value in self.by_seed.values())
        # A narrow interval gets more decimals: "± 0.0" would say that there is no doubt.
        while 0 < self.half < 0.5 * 10**-decimals and decimals < _MOST_DECIMALS:
            decimals += 1
        return f"{number(self.mean, decimals)} ± {number(self.half, decimals)}"


class Values:
    """The records of a study by method and quantity.

    Args:
        records: of all cells.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._rows: dict[tuple[str, str, str, str], list[Record]] = defaultdict(list)
        self._sets: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for row in records:
            self._rows[row.method, row.task, row.metric, row.dataset].append(row)
            self._sets[row.task, row.metric][row.dataset] = None
        self._methods = list(dict.fromkeys(key[0] for key in self._rows))

    def quantities(self) -> list[tuple[str, str]]:
        """Tasks and metrics that there are records of."""
        return list(self._sets)

    def sets(self, task: str, metric: str) -> list[str]:
        """The sets on which there are records of a task and metric."""
        return list(self._sets[task, metric])

    def columns(self, task: str, metric: str, sets: Sequence[str] | None = None) -> list[Column]:
        """A column for each set, or several where one seed has several records.

        Args:
            task: as in the records.
            metric: likewise.
            sets: first those, in this order; others follow. ``None``: as in the records.
        """
        there = self._sets.get((task, metric), {})
        order = [name for name in dict.fromkeys([*(sets or ()), *there]) if name in there]
        return [
            Column(f"{name}{f', {text}' if text else ''}", task, metric, (name,), variant)
            for name in order
            for text, variant in self._variants(task, metric, name)
        ]

    def summary(self, method: str, column: Column) -> Summary | None:
        """What a method has of a quantity; of a mean over sets, seeds that have them all."""
        by_set = []
        for name in column.sets:
            rows = self._rows.get((method, column.task, column.metric, name), [])
            if column.variant:
                rows = [row for row in rows if _is(row, column.variant)]
            if not rows:
                return None
            by_set.append(newest_of_seeds(rows))
        seeds = [seed for seed in by_set[0] if all(seed in rows for rows in by_set)]
        if not seeds:
            return None
        first = by_set[0][seeds[0]]
        means = {seed: fmean(rows[seed].value for rows in by_set) for seed in seeds}
        return Summary(means, first.unit, first.higher_is_better)

    def _variants(self, task: str, metric: str, dataset: str) -> list[tuple[str, dict[str, Any]]]:
        """Labels and settings of what one method has several of under one seed."""
        groups: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        for method in self._methods:
            for row in self._rows.get((method, task, metric, dataset), []):
                groups[method, row.seed].append(asked(row))
        of_seed = {name for group in groups.values() for name in differing(group)}
        names = sorted(name for name in of_seed if name.startswith("settings."))
        if not names:
            return [("", {})]
        items = [item for group in groups.values() for item in group]
        kept = {canonical(item, names): item for item in items}
        texts = labels(list(kept.values()), names)
        variants = [
            (text, {name: item.get(name, _ABSENT) for name in names})
            for text, item in zip(texts, kept.values(), strict=True)
        ]
        return sorted(variants, key=lambda variant: variant[0])


def shown(summary: Summary | None) -> str:
    """What a table shows of a summary."""
    return NOTHING if summary is None else summary.text()


@cache
def _half_width(values: tuple[float, ...]) -> float:
    return t_interval(values).half_width


def _is(row: Record, variant: Mapping[str, Any]) -> bool:
    item = asked(row)
    return all(item.get(name, _ABSENT) == value for name, value in variant.items())
