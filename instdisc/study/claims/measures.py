"""The value of a measure for a network, from records; never an average of what happens to be there.

Legend: M methods, S seeds, T ranked measures.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import NormalDist, fmean
from typing import NamedTuple

import numpy as np

from instdisc import checks
from instdisc.types import Record

from .rules import Measure

Z95 = NormalDist().inv_cdf(0.975)


class Leaf(NamedTuple):
    """A value on one set by one task.

    Attributes:
        value: as in the record, or the share.
        error: its standard error over images; ``None`` if the record has no interval.
        unit: of both.
    """

    value: float
    error: float | None
    unit: str


class Missing(NamedTuple):
    """A value that cannot be made.

    Attributes:
        what: metric, task and set.
        method: of which network.
        seed: likewise.
    """

    what: str
    method: str
    seed: int


class Results:
    """Records by network and result.

    Args:
        records: of all networks. Of several of one result the newest counts.
        source: the set that measures call ``"source"``.
    """

    def __init__(self, records: Iterable[Record], source: str) -> None:
        self.source = source
        self._records: dict[tuple[str, int, str, str, str], list[Record]] = defaultdict(list)
        self._seeds: dict[str, set[int]] = defaultdict(set)
        for record in records:
            key = record.method, record.seed, record.dataset, record.task, record.metric
            self._records[key].append(record)
            self._seeds[record.method].add(record.seed)

    def seeds(self, methods: Iterable[str]) -> list[int]:
        """Every seed of which one of the methods has a record."""
        return sorted(set().union(*(self._seeds[m] for m in methods if m in self._seeds)))

    def dataset(self, name: str) -> str:
        """What records call a set of a measure."""
        return self.source if name == "source" else name

    def value(self, measure: Measure, method: str, seed: int) -> float:
        """``sign * mean over sets of the mean over tasks``; of a measure without missing leaves."""
        means = []
        for name in measure.sets:
            leaves = [self.leaf(measure, method, seed, name, task) for task in measure.tasks]
            means.append(fmean(leaf.value for leaf in leaves if isinstance(leaf, Leaf)))
        return measure.sign * fmean(means)

    def missing(self, measure: Measure, method: str, seed: int) -> list[Missing]:
        """The leaves that have no record; none if the measure has a value."""
        leaves = (
            self.leaf(term, method, seed, name, task)
            for term in measure.terms
            for name in term.sets
            for task in term.tasks
        )
        return [leaf for leaf in leaves if isinstance(leaf, Missing)]

    def table(self, measure: Measure, methods: Sequence[str], seeds: Sequence[int]) -> np.ndarray:
        """``(M, S)`` values; of ranks those among these methods, the mean for equal values.

        Args:
            measure: that has a value for all of them.
            methods: M of them.
            seeds: S of them.
        """
        if not measure.ranks:
            return np.array([[self.value(measure, m, s) for s in seeds] for m in methods])
        from scipy.stats import rankdata  # slow to import

        tables = np.stack([self.table(term, methods, seeds) for term in measure.ranks])  # (T, M, S)
        return np.asarray(rankdata(tables, axis=1).mean(0))

    def unit(self, measure: Measure, method: str, seed: int) -> str:
        """Of a measure that has a value."""
        leaf = self.leaf(measure, method, seed, measure.sets[0], measure.tasks[0])
        return leaf.unit if isinstance(leaf, Leaf) else ""

    def record(self, measure: Measure, key: tuple[str, int, str, str, str]) -> Record | None:
        """The newest record of a result.

        Args:
            measure: whose settings the record must have.
            key: method, seed, data set, task and metric.

        Raises:
            ValueError: if records of the result differ in other settings.
        """
        fitting = [r for r in self._records.get(key, ()) if has_settings(r, measure)]
        forms = {json.dumps(dict(r.settings), sort_keys=True, default=str) for r in fitting}
        if len(forms) > 1:
            method, seed, dataset, task, metric = key
            checks.refuse(
                "records",
                f"of one {metric} of {task} on {dataset} for {method}, seed {seed}",
                sorted(forms),
                f"Tell them apart by `settings` of the measure {measure.name!r}.",
            )
        newest = None
        for record in fitting:
            if newest is None or record.date >= newest.date:
                newest = record
        return newest

    def leaf(
        self, measure: Measure, method: str, seed: int, name: str, task: str
    ) -> Leaf | Missing:
        """The value on one set by one task.

        Args:
            measure: one of `Measure.terms`.
            method: of which network.
            seed: likewise.
            name: of the set, as in the measure.
            task: of the measure.
        """
        dataset = self.dataset(name)
        metrics = measure.of or (measure.metric,)
        records = [self.record(measure, (method, seed, dataset, task, m)) for m in metrics]
        there = [record for record in records if record is not None]
        if len(there) < len(records):
            place = metrics[records.index(None)]
            told = "".join(f", {key} = {value}" for key, value in measure.settings.items())
            return Missing(f"{place} of {task} on {dataset}{told}", method, seed)
        if not measure.of:
            return Leaf(there[0].value, _error(there[0]), there[0].unit)
        total = math.fsum(record.value for record in there)
        if total == 0:
            return Missing(f"anything of {', '.join(metrics)} of {task} on {dataset}", method, seed)
        return _share(there, metrics.index(measure.metric), total)


def has_settings(record: Record, measure: Measure) -> bool:
    """Whether a record has all settings of a measure."""
    return all(
        key in record.settings and record.settings[key] == value
        for key, value in measure.settings.items()
    )


def _share(records: Sequence[Record], place: int, total: float) -> Leaf:
    """One of several numbers in percent of their sum.

    The numbers are of the same images, in whatever way they go together: their errors are added,
    not their squares, so that the error of the share is never too small to first order.
    """
    part = records[place].value
    errors = [_error(record) for record in records]
    there = [error for error in errors if error is not None]
    if len(there) < len(errors):
        return Leaf(100 * part / total, None, "%")
    rest = math.fsum(there) - there[place]
    error = 100 * ((total - part) * there[place] + part * rest) / total**2
    return Leaf(100 * part / total, error, "%")


def _error(record: Record) -> float | None:
    return None if record.ci is None else record.ci / Z95
