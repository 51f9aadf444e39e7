"""Classes from a column of an Arrow table, without a list of its values.

Legend: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instdisc.types import UNKNOWN_LABEL

from ..tables import sorted_classes
from .packages import import_package


def read_labels(
    column: Any, *, label: str, names: Sequence[str] | None, classes: Sequence[str] | None
) -> tuple[Tensor, list[str]]:
    """The label of each row, and the names of the classes.

    Args:
        column: a ``pyarrow.ChunkedArray`` of N whole numbers or texts; missing ones are unknown.
        label: the name of the column, for messages.
        names: of numbered classes, if the file says them.
        classes: those of the user, in place of the file's.

    Returns:
        ``(N,)`` int64, -1 where the class is unknown, and C names: of the user, of the file, or
        the numbers or texts that are there.

    Raises:
        ValueError: if the column holds something else, a class is not among `classes`, or these
            hold a name twice.
    """
    pa = import_package("pyarrow", "A column of labels")
    if classes is not None and len(set(classes)) < len(classes):
        raise ValueError(f"`classes` must be different names, got {list(classes)}")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        coded = column.dictionary_encode().combine_chunks()
        present: list[str] = coded.dictionary.to_pylist()
        wanted = sorted_classes(set(present)) if classes is None else list(classes)
        place = {name: row for row, name in enumerate(wanted)}
        odd = next((name for name in present if name not in place), None)
        if odd is not None:
            raise ValueError(_outside(label, odd, wanted))
        numbers = np.array([*(place[name] for name in present), UNKNOWN_LABEL], dtype=np.int64)
        return torch.from_numpy(numbers[_filled(coded.indices, len(present))]), wanted
    if not pa.types.is_integer(column.type):
        raise ValueError(
            f"`label` must be a column of whole numbers or texts, got {label!r} of {column.type}"
        )
    labels = _filled(column, UNKNOWN_LABEL)
    high = int(labels.max(initial=-1))
    if classes is None:
        classes = [str(number) for number in range(high + 1)] if names is None else names
    wanted = list(classes)
    if high >= len(wanted) or int(labels.min(initial=-1)) < UNKNOWN_LABEL:
        odd_number = high if high >= len(wanted) else int(labels.min())
        raise ValueError(_outside(label, odd_number, wanted))
    return torch.from_numpy(labels), wanted


def _filled(column: Any, missing: int) -> np.ndarray:
    """``(N,)`` int64, writable."""
    values = column.cast("int64").fill_null(missing)
    return np.array(values.to_numpy(), dtype=np.int64)


def _outside(label: str, value: object, classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:5]) + ", ..." * (len(classes) > 5)
    return (
        f"the column {label!r} must hold one of the {len(classes)} `classes` ({shown}), by its "
        f"name or its number from 0, got {value!r}"
    )
