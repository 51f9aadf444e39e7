"""The tasks of a suite by name, and what they need."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import torch

from instdisc.types import Record

from ..detection.detect import detect
from ..few_shot.finetune import finetune_few_shot
from ..few_shot.frozen import evaluate_few_shot
from ..finetuning.finetune import finetune
from ..knn import evaluate_knn
from ..landmarks.fit import fit_landmarks
from ..linear.grid import evaluate_linear_grid
from ..linear.logistic import evaluate_linear
from ..linear.moco import evaluate_moco_linear
from ..linear.readout import evaluate_readout
from ..linear.stages import evaluate_stages
from ..segmentation.segment import segment
from .kinds import Kind

Part = Literal["all", "train", "test"]
# What the suite says itself; options of a user cannot.
_GIVEN = {"dataset", "method", "checkpoint", "seed", "classes", "progress"}


class Task(NamedTuple):
    """How a suite calls a task.

    Attributes:
        function: the task; its keywords are the options that a user may set.
        parts: of a data set, in the order in which the function takes them.
        on: whether it takes the features of the parts, or the backbone and the images: with a
            class each, with objects, with a class for each pixel, or with points.
        one_by_one: an option whose values become jobs of their own.
    """

    function: Callable[..., Any]
    parts: tuple[Part, ...]
    on: Literal["features", "images", "objects", "segments", "landmarks"]
    one_by_one: str = ""

    @property
    def kind(self) -> Kind:
        """What the images must come with."""
        return "images" if self.on == "features" else self.on

    @property
    def has_image_size(self) -> bool:
        """Whether all its images are made to one size; else the task has a rule of its own."""
        return self.on not in ("objects", "segments")

    @property
    def options(self) -> dict[str, Any]:
        """The options and their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {
            one.name: one.default
            for one in parameters
            if one.kind is inspect.Parameter.KEYWORD_ONLY and one.name not in _GIVEN
        }

    def jobs(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The options of each job that this task means."""
        name = self.one_by_one
        if not name:
            return [dict(given)]
        return [{**given, name: [value]} for value in given.get(name, self.options[name])]

    def call(
        self, inputs: list[Any], offered: Mapping[str, Any], given: Mapping[str, Any]
    ) -> list[Record]:
        """Runs it with what it takes of what is offered, and with the options that are given."""
        takes = inspect.signature(self.function).parameters
        keywords = {name: value for name, value in offered.items() if name in takes}
        typed = {name: _typed(value, self.options[name]) for name, value in given.items()}
        found = self.function(*inputs, **{**keywords, **typed})
        return [found] if isinstance(found, Record) else list(found)


TASKS: dict[str, Task] = {
    "knn": Task(evaluate_knn, ("train", "test"), "features"),
    "linear": Task(evaluate_linear, ("train", "test"), "features"),
    "linear_grid": Task(evaluate_linear_grid, ("train", "test"), "images"),
    "moco_linear": Task(evaluate_moco_linear, ("train", "test"), "images"),
    "readout": Task(evaluate_readout, ("train", "test"), "features"),
    "stages": Task(evaluate_stages, ("train", "test"), "images"),
    "few_shot": Task(evaluate_few_shot, ("all",), "features", one_by_one="shots"),
    "few_shot_finetune": Task(finetune_few_shot, ("all",), "images", one_by_one="shots"),
    "finetune": Task(finetune, ("train", "test"), "images"),
    "detection": Task(detect, ("train", "test"), "objects"),
    "segmentation": Task(segment, ("train", "test"), "segments"),
    "landmarks": Task(fit_landmarks, ("train", "test"), "landmarks"),
}


def check_options(tasks: list[str], options: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses what no task knows.

    Raises:
        ValueError: if a task or an option is unknown; names those that are known.
        TypeError: if a value is none of JSON's.
    """
    for name in tasks:
        if name not in TASKS:
            raise ValueError(f"`tasks` must be of {', '.join(TASKS)}, got {name!r}")
    for name, given in options.items():
        if name not in tasks:
            raise ValueError(f"`options` are of the tasks {', '.join(tasks)}, got {name!r}")
        known = TASKS[name].options
        for option, value in given.items():
            if option not in known:
                raise ValueError(f"`options` of {name!r} are {', '.join(known)}, got {option!r}")
            try:
                json.dumps(value)
            except TypeError as error:
                raise TypeError(
                    f"`options` must be JSON values, so that results say how they were made; "
                    f"{option!r} of {name!r} is {value!r}"
                ) from error


def _typed(value: Any, default: Any) -> Any:
    """What JSON says, as the named tuple or the tuple of named tuples that a default is."""
    if hasattr(default, "_fields"):
        return default._replace(**value) if isinstance(value, dict) else type(default)(*value)
    if isinstance(default, tuple) and default and hasattr(default[0], "_fields"):
        return [_typed(one, default[0]) for one in value]
    return value


def trainer_options(device: str | torch.device) -> dict[str, Any]:
    """A device as Lightning's Trainer names it.

    Example:
        >>> trainer_options("cuda:1")
        {'accelerator': 'gpu', 'devices': [1]}
    """
    device = torch.device(device)
    accelerator = "gpu" if device.type == "cuda" else device.type
    return {
        "accelerator": accelerator,
        "devices": 1 if device.index is None or accelerator == "cpu" else [device.index],
    }
