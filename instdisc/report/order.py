"""One order of records, whichever order they were written in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from instdisc.checks import checked_call, instance
from instdisc.types import Record

from .identity import asked, canonical
from .kinds import is_called_random, is_pair, is_random

# Results first, then why; as `instdisc.transfer.TASKS` has them.
TASKS = (
    *("knn", "linear", "linear_grid", "moco_linear", "readout"),
    *("few_shot", "few_shot_finetune", "base_and_novel", "finetune"),
    *("detection", "segmentation", "landmarks"),
    *("similarity", "geometry", "transferability", "predictors", "factors", "invariance"),
    *("inversion", "moved", "corruptions", "imagenet_c", "out_of_distribution"),
    *("distribution_shift", "shape_bias", "tide", "hoiem"),
    *("neighbours", "components", "map", "location", "confident_errors", "calibration", "mistakes"),
)
_PLACES = {task: place for place, task in enumerate(TASKS)}
_PLACE_WITHIN = re.compile(r"^(?:(?:stage|layer|last)\d+_)+")  # e.g. last4_layer1_moved
_DIGITS = re.compile(r"(\d+)")


@checked_call()
def sort_records(records: Iterable[Record]) -> list[Record]:
    """The records in an order that does not depend on when each was written.

    An executor ends jobs in any order, and so they stand in its results file. Here they come
    network by network, of each task by task, and of each data set by data set: networks and data
    sets by their names, numbers in these as numbers; random weights last, and behind them what
    compares two networks; tasks in the library's order, your own behind them. So a table, a
    legend and a page have them, where one that lacks some results moves no other. What one run
    wrote stays together and as it is. Only what is the same in all of this keeps the order of its
    dates, and then of `records`: a run that was made again stands behind the first.

    Args:
        records: of one or more results files.

    Raises:
        TypeError: if one is no record.

    Example:
        >>> records = [Record("knn", "pets", "top-1", 60.0, method=name)
        ...     for name in ("random", "epoch 100", "epoch 20")]
        >>> [record.method for record in sort_records(records)]
        ['epoch 20', 'epoch 100', 'random']
    """
    records = [instance("records", record, Record, "a list of records") for record in records]
    names = {record.method for record in records}
    runs: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        runs.setdefault(_run(record), []).append(record)
    ordered = sorted(runs.values(), key=lambda run: _place(run[0], is_pair(run[0].method, names)))
    return [record for run in ordered for record in run]


def _run(record: Record) -> tuple[Any, ...]:
    """What the records of one run have in common."""
    if record.job:
        return (record.job,)
    return (*_network(record), record.task, record.dataset, record.seed, *_how(record))


def _network(record: Record) -> tuple[str | int, ...]:
    about = record.method, record.architecture, record.pretraining, record.parameters
    return (*about, record.checkpoint, record.weights)


def _how(record: Record) -> tuple[str, str]:
    settings = asked(record)
    return canonical(settings, list(settings)), record.date


def _place(record: Record, pair: bool) -> tuple[Any, ...]:
    random = is_random(record) or is_called_random(record.method)
    task = _PLACE_WITHIN.sub("", record.task)
    settings, date = _how(record)
    return (
        pair,
        random,
        *(_natural(str(part)) for part in _network(record)),
        _PLACES.get(task, len(_PLACES)),
        *map(_natural, (record.task, record.dataset, record.metric, settings)),
        record.seed,
        date,
    )


def _natural(text: str) -> tuple[list[str | int], str]:
    """By which "epoch 20" comes before "epoch 100"; equal for equal texts alone."""
    parts = _DIGITS.split(text.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], text
