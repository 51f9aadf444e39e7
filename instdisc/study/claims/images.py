"""The standard error of a quantity over test images.

    e = mean over seeds of sqrt(sum over sets e_set^2) / number of sets

Within a set the errors of several tasks are averaged, as if they went up and down together: they
are of the same images. Between sets they are independent.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from instdisc.types import Record

from .linear import Linear
from .measures import Z95, Leaf, Results, has_settings

_PAIRED = "paired bootstrap over images"
_SINGLE = "intervals of the records, not paired"
_NONE = "nothing for some results"


class ImageError(NamedTuple):
    """How much the images are worth.

    Attributes:
        error: e, in the unit of the quantity.
        how: from what, in words.
        complete: whether every set gave its share; what gives none counts as 0.
    """

    error: float
    how: str
    complete: bool


class Differences:
    """Paired differences by quantity and result.

    Args:
        records: of `paired_differences`.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._records: dict[tuple[str, int, str, str, str], list[Record]] = defaultdict(list)
        for record in records:
            key = record.method, record.seed, record.dataset, record.task, record.metric
            self._records[key].append(record)

    def error(self, quantity: Linear, seed: int, dataset: str, task: str) -> float | None:
        """The standard error over images; ``None`` if the difference was not measured."""
        measure = quantity.measure
        alike = all(term.measure == measure for term in quantity.terms)
        for name in (quantity.name, f"{quantity.b} - {quantity.a}"):
            for record in self._records.get((name, seed, dataset, task, measure.metric), ()):
                fits = has_settings(record, measure) if alike else True
                if fits and not measure.of and record.ci is not None:
                    return record.ci / Z95
        return None


def image_error(
    quantity: Linear, seeds: Sequence[int], results: Results, differences: Differences
) -> ImageError:
    """The standard error over images of a quantity.

    For each set and task it is that of the paired difference, if that was measured. Else it is
    ``sqrt(sum of (weight * error of the record)^2)``. As the weights add up to 0, this is not too
    small where images are as hard for one network as for another: what the errors share cancels.

    Args:
        quantity: that has a value for all seeds.
        seeds: one or more.
        results: the records.
        differences: what was paired.
    """
    measure = quantity.measure
    squares = dict.fromkeys(seeds, 0.0)
    kinds: set[str] = set()
    for name in measure.sets:
        of_seed: dict[int, float] = {}
        for seed in seeds:
            errors = []
            for task in measure.tasks:
                error = differences.error(quantity, seed, results.dataset(name), task)
                kind = _PAIRED
                if error is None:
                    error, kind = _from_records(quantity, seed, name, task, results), _SINGLE
                kinds.add(kind if error is not None else _NONE)
                errors.append(error)
            there = [error for error in errors if error is not None]
            if len(there) == len(errors):
                of_seed[seed] = fmean(there)
        # Where a seed tells nothing, its images are worth as much as those of the others.
        for seed in seeds:
            squares[seed] += of_seed.get(seed, fmean(of_seed.values()) if of_seed else 0.0) ** 2
    error = fmean(math.sqrt(square) for square in squares.values()) / len(measure.sets)
    how = " and ".join(kind for kind in (_PAIRED, _SINGLE, _NONE) if kind in kinds)
    return ImageError(error, how, _NONE not in kinds)


def _from_records(
    quantity: Linear, seed: int, name: str, task: str, results: Results
) -> float | None:
    total = 0.0
    for term in quantity.terms:
        leaf = results.leaf(term.measure, term.method, seed, name, task)
        if not isinstance(leaf, Leaf) or leaf.error is None:
            return None
        total += (term.weight * leaf.error) ** 2
    return math.sqrt(total)
