"""What a record is of: which family of tasks, one network or two, trained or not."""

from __future__ import annotations

import re
from collections.abc import Collection

from instdisc.types import Record

RANDOM = "random"
_LAYER = re.compile(r"^(?:stage|layer)\d+_")  # e.g. stage3_geometry
_PAIR = " and "  # in the name of a record that compares two networks


def task_family(task: str) -> str:
    """A task without the stage or layer that it looks at.

    Example:
        >>> task_family("stage3_geometry"), task_family("knn")
        ('geometry', 'knn')
    """
    return _LAYER.sub("", task)


def is_pair(method: str, names: Collection[str]) -> bool:
    """Whether a record's method is two networks.

    Args:
        method: of the record.
        names: of all methods of the report.

    Example:
        >>> is_pair("A and B", ["A", "B", "A and B"]), is_pair("rock and roll", ["rock and roll"])
        (True, False)
    """
    places = [match.start() for match in re.finditer(_PAIR, method)]
    return any(
        method[:place] in names and method[place + len(_PAIR) :] in names for place in places
    )


def is_random(record: Record) -> bool:
    """Whether a record is of weights that were never trained."""
    if record.pretraining:
        return record.pretraining == RANDOM
    return not record.checkpoint and record.method.partition(" (")[0] == RANDOM


def is_called_random(method: str) -> bool:
    """Whether a label is that of random weights.

    Example:
        >>> is_called_random("random (resnet50)"), is_called_random("RandomResizedCrop")
        (True, False)
    """
    return method.lower().split(" ")[0] == RANDOM
