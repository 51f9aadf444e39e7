"""Specifications from examples: the call that works is the one in the callable's docstring."""

from __future__ import annotations

import collections.abc
import doctest
import inspect
import sys
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import sorts
from .calls import Call, read_arguments, resolve
from .reading import _members, read_sort
from .sorts import Sort

# What the names of arguments mean in transfer, analysis, metrics and report.
WHOLE = sorts.whole(1)
FROM_ZERO = sorts.whole(0)
SHARE = sorts.SHARE
NAMES: dict[str, Sort] = {
    **dict.fromkeys(
        ["num_resamples", "num_errors", "max_iter", "epochs", "tune_epochs", "steps",
         "num_bins", "bin_size", "num_points", "width", "test_every", "severity",
         "output_stride", "regions_per_image", "max_detections", "chunk", "grid", "crop_size",
         "lidar_images", "num_queries", "at_once", "num_pictures", "stride", "channels", "most",
         "side", "num_batches", "precise_batches", "shown_distances", "severities", "iterations",
         "test_short_side", "window", "window_step", "short_sides", "follow_batch", "episodes",
         "first", "last", "step", "num_steps", "kernels", "depth", "n", "skip_channels",
         "input_channels", "train_before", "train_after", "test_before", "test_after", "devices"],
        WHOLE,
    ),
    **dict.fromkeys(
        ["freeze_parts", "per_type", "thumbnail", "hidden", "warmup", "only_a", "only_b", "indices",
         "stage", "stages", "reset_stages",
         "seeds", "last_stages", "parameters", "job_records", "ignored", "category_ids"], FROM_ZERO
    ),
    **dict.fromkeys(
        ["tol", "tolerance", "strength", "head_rate", "delta", "t", "backbone_rate",
         "backbone_learning_rate", "power", "expected", "anchor_sizes", "std"],
        sorts.POSITIVE,
    ),
    **dict.fromkeys(
        ["penalties", "save_every", "seconds", "least_rate", "total_variation", "auxiliary",
         "least", "successes"],
        sorts.NOT_NEGATIVE,
    ),
    **dict.fromkeys(["threshold", "background", "strong", "weak", "sure", "min_score",
         "thresholds", "max_share", "crop"], SHARE),
    "share": sorts.number(above=0, at_most=1),
    "level": sorts.number(above=0, below=1),
    "milestones": sorts.number(above=0, below=1),
    "dropout": sorts.number(at_least=0, below=1),
    "location": SHARE,
    **dict.fromkeys(["value", "low", "high", "mean", "scale"], sorts.number()),
}  # fmt: skip
# Of these nothing but the kind is checked: their entries are anybody's.
DEVICE = sorts.choice("gpu").also(not_here="cuda:7", fraction=0.5)
ARRAYS = sorts.PATH.also(suffix="arrays.txt", folder=lambda good: "/")
MAPPING = Sort(tuple(bad for bad in sorts.OBJECT.bad if bad.kind != "mapping"))


@dataclass
class Documented(Call):
    """A callable that is called as its own example calls it.

    The sorts of tensors are read from those in the example, which must be finite.
    """

    def __post_init__(self) -> None:
        if self.make is dict:
            self.make = lambda: example_of(self.resolve())
        taken = {name for name, *_ in read_arguments(self.resolve())}
        self.raises = {
            **{name: FileNotFoundError for name in ("path", "root", "folder") if name in taken},
            **self.raises,
        }

    def all_sorts(self) -> dict[str, Sort]:
        chosen: dict[str, Sort] = {}
        good = self.make()
        for name, annotation, default in read_arguments(self.resolve()):
            if name in self.sorts:
                sort = self.sorts[name]
            else:
                where = f"{self.name}({name})"
                sort = _read(name, annotation, default, good.get(name), where)
            if sort is not None:
                chosen[name] = sort
        return chosen


def documented(
    package: str, /, *names: str, without: Iterable[str] = (), **sorts_of: Sort | None
) -> list[Call]:
    """Specifications of callables by their examples.

    Args:
        package: where they stand.
        *names: of the callables.
        without: arguments that are not tried.
        **sorts_of: see `Call`.
    """
    chosen = {**dict.fromkeys(without), **sorts_of}
    return [
        Documented(
            f"{package}.{name}",
            sorts={
                each: chosen[each]
                for each, *_ in read_arguments(resolve(f"{package}.{name}"))
                if each in chosen
            },
        )
        for name in names
    ]


def written(name: str, make: Callable[[], dict[str, Any]], /, **sorts_of: Sort | None) -> Call:
    """The specification of a callable without an example, by a call of it that works."""
    return Documented(name, make, sorts_of)


def example_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of the first call of a function in its example, without making that call."""
    caught: dict[str, Any] = {}

    def catch(*values: Any, **named: Any) -> None:
        bound = inspect.signature(function).bind(*values, **named)
        bound.apply_defaults()
        caught.update(bound.arguments)
        raise _CaughtError

    module = sys.modules[function.__module__]
    space = {**vars(module), function.__name__: catch}
    parser = doctest.DocTestParser()
    for example in parser.get_examples(inspect.cleandoc(function.__doc__ or "")):
        try:
            exec(compile(example.source, function.__name__, "single"), space)
        except _CaughtError:
            return caught
        space[function.__name__] = catch  # an example may import it
    raise LookupError(f"{function.__module__}.{function.__name__} is not called in its example")


class _CaughtError(Exception):
    pass


def _read(name: str, annotation: Any, default: Any, good: Any, where: str) -> Sort:
    parts = _members(annotation)
    is_optional = type(None) in parts
    parts = [part for part in parts if part is not type(None)]
    sort = _sort(name, parts, good, default, where)
    if sort is None:
        return read_sort(name, annotation, default, where)
    return sorts.optional(sort) if is_optional else sort


def _sort(name: str, parts: list[Any], good: Any, default: Any, where: str) -> Sort | None:
    if torch.device in parts:
        return DEVICE
    if name in ("arrays", "predictions") and str in parts:
        return ARRAYS
    if name in NAMES and (int in parts or float in parts):
        return NAMES[name]
    if Tensor in parts and not isinstance(good, Tensor):
        return sorts.OBJECT
    if isinstance(good, Tensor) and Tensor in parts:
        return sorts.tensor(good.dtype, finite=good.is_floating_point())
    if name in ("checkpoints", "data_sets", "backbone", "source"):
        return sorts.OBJECT
    if isinstance(default, tuple) and parts == [collections.abc.Sequence[str]]:
        return sorts.sequence(sorts.choice())
    if set(parts) == {int, collections.abc.Sequence[int]}:
        return NAMES.get(name, FROM_ZERO)
    if set(parts) == {int, str}:
        return Sort(tuple(bad for bad in WHOLE.bad if bad.kind not in ("text", "below")))
    origins = [typing.get_origin(part) or part for part in parts]
    if len(parts) == 1:
        if origins[0] in (collections.abc.Mapping, dict):
            return MAPPING if typing.get_args(parts[0])[-1] is Any else sorts.OBJECT
        if origins[0] in (collections.abc.Iterable, collections.abc.Collection):
            return Sort(tuple(b for b in sorts.OBJECT.bad if b.kind not in ("list", "tensor")))
        if origins[0] is np.ndarray:
            return sorts.OBJECT
        items = typing.get_args(parts[0])
        if origins[0] in (collections.abc.Sequence, list, tuple) and items:
            item = _sort(name, _members(items[0]), None, None, where)
            if item is None and _members(items[0]) == [Tensor]:
                item = sorts.OBJECT
            if item is not None and len({*items} - {Ellipsis}) == 1:
                return sorts.sequence(item)
    return None
