"""The sort of an argument by its type, and by its name: a name means the same everywhere."""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from pathlib import Path
from typing import Any

from torch import Tensor

from . import sorts
from .sorts import Sort

# Of whole numbers and numbers the type does not tell the bounds; the library's names do.
NUMBERS: dict[str, Sort] = {
    **dict.fromkeys(["seed", "num_workers", "epoch", "max_others"], sorts.whole(0)),
    **dict.fromkeys(
        ["batch_size", "test_batch_size", "image_size", "queue_size", "size", "dim", "num_images",
         "projection_dim", "num_classes", "batch_norm_groups", "reference_batch", "every",
         "num_episodes", "ways", "shots", "queries", "k", "num_views", "max_images", "episodes",
         "count", "iterations", "multiple", "short_side", "num_threads", "groups", "per_class",
         "num_test", "max_bank", "longest_side", "resize", "num_categories", "small_size",
         "hidden_dim", "predictor_dim", "bottleneck_dim", "projector_layers"],
        sorts.whole(1),
    ),
    **dict.fromkeys(
        ["temperature", "final_temperature", "student_temperature", "teacher_temperature",
         "final_teacher_temperature", "learning_rate"],
        sorts.POSITIVE,
    ),
    **dict.fromkeys(["weight_decay", "final_weight_decay", "margin", "shift"], sorts.NOT_NEGATIVE),
    **dict.fromkeys(["flip", "p"], sorts.SHARE),
    "final_momentum": sorts.number(at_least=0, at_most=1),
    **dict.fromkeys(
        ["momentum", "sgd_momentum", "center_momentum", "bank_momentum", "warmup"],
        sorts.number(at_least=0, below=1),
    ),
}  # fmt: skip


def read_sort(name: str, annotation: Any, default: Any, where: str) -> Sort:
    """The sort of an argument.

    Args:
        name: of the argument.
        annotation: its type.
        default: its default, if any.
        where: for the message.

    Raises:
        LookupError: if type and name do not tell it; then the specification must.
    """
    parts = _members(annotation)
    is_optional = type(None) in parts
    parts = [part for part in parts if part is not type(None)]
    sort = _read(name, parts, where)
    return sorts.optional(sort) if is_optional else sort


def _read(name: str, parts: list[Any], where: str) -> Sort:
    if parts == [bool]:
        return sorts.FLAG
    if parts in ([int], [float]):
        if name not in NUMBERS:
            raise LookupError(f"{where}: the specification must say the bounds of this number")
        return NUMBERS[name]
    if parts == [int, tuple[int, int]]:  # a side, or height and width
        return NUMBERS[name].also(three=(8, 8, 8), no_width=(8, 0), text_pair=("8", "8"))
    if set(parts) <= {str, Path}:
        return sorts.PATH if Path in parts else sorts.TEXT
    origins = [typing.get_origin(part) or part for part in parts]
    if origins == [typing.Literal]:
        return sorts.CHOICE
    if origins == [collections.abc.Callable]:
        return sorts.FUNCTION
    if len(parts) == 1 and origins[0] in (collections.abc.Sequence, tuple, list):
        items = [item for item in typing.get_args(parts[0]) if item is not Ellipsis]
        if items and len(set(items)) == 1:
            return sorts.sequence(_read(name, _members(items[0]), where))
    untold = (Tensor, object, inspect.Parameter.empty)
    if len(parts) == 1 and inspect.isclass(parts[0]) and parts[0] not in untold:
        return sorts.OBJECT
    raise LookupError(f"{where}: the specification must say the sort, {parts} does not")


def _members(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return list(typing.get_args(annotation))
    return [annotation]
