"""The tasks of a suite by name, and what they need."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from instdisc import checks
from instdisc.data import ViewPolicy, evaluation_policy
from instdisc.data.episodes import Episodes
from instdisc.data.layout import Part
from instdisc.types import InputSpec, Record

from ..detection.detect import detect
from ..detection.recipe import check_recipe
from ..few_shot.finetune import finetune_few_shot
from ..few_shot.frozen import evaluate_few_shot
from ..finetuning.finetune import finetune
from ..knn import evaluate_knn
from ..landmarks.fit import fit_landmarks
from ..linear.grid import check_milestones, evaluate_linear_grid, islam_test_policy
from ..linear.logistic import evaluate_linear
from ..linear.moco import evaluate_moco_linear
from ..linear.readout import evaluate_readout
from ..linear.stages import PROBES, evaluate_stages
from ..segmentation.segment import segment
from .options import Options, bounds, hints_of, parse

FEATURES = "features"
# What the suite says itself; options of a user cannot.
_SAID = {"about", "seed", "classes", "progress", "predictions"}


class Task(NamedTuple):
    """How a suite calls a task; add your own by ``TASKS["name"] = Task(...)``.

    Attributes:
        function: the task; its keywords are the options that a user may set. It gives a `Record`
            or several. Of the keywords ``about``, ``predictions``, ``seed``, ``classes``,
            ``progress``, ``device``, ``num_workers`` and so on it gets those that it takes.
        parts: of a data set, in the order in which the function takes them.
        on: what it takes: ``"features"`` of the parts; or the backbone and the images of a kind:
            ``"images"``, ``"objects"``, ``"segments"``, ``"landmarks"`` or a kind of your own (see
            `instdisc.data.Layout`).
        one_by_one: an option whose values become jobs of their own.
        view: of a task on features: how the images are shown.
        has_image_size: whether all its images are made to one size; else the task has a rule of
            its own.
        check: refuses options out of range before anything runs; it gets all of them.
        version: another number when the arithmetic changes, so that old results do not count.
    """

    function: Callable[..., Any]
    parts: tuple[Part, ...]
    on: str
    one_by_one: str = ""
    view: Callable[..., ViewPolicy] = evaluation_policy
    has_image_size: bool = True
    check: Callable[[Options], object] = lambda options: None
    version: int = 1

    @property
    def kind(self) -> str:
        """What the images must come with."""
        return "images" if self.on == FEATURES else self.on

    @property
    def options(self) -> dict[str, Any]:
        """The options and their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {
            one.name: one.default
            for one in parameters
            if one.kind is inspect.Parameter.KEYWORD_ONLY and one.name not in _SAID
        }

    def jobs(self, given: Options) -> list[dict[str, Any]]:
        """The options of each job that this task means."""
        name = self.one_by_one
        if not name:
            return [dict(given)]
        values = dict.fromkeys(given.get(name, self.options[name]))  # each once
        return [{**given, name: [value]} for value in values]

    def parsed(self, given: Options) -> dict[str, Any]:
        """JSON values as what the function takes.

        Raises:
            TypeError: if one is of another type than the function's annotation says.
        """
        hints, defaults = hints_of(self.function), self.options
        return {
            name: parse(name, value, hints.get(name, Any), defaults[name])
            for name, value in given.items()
        }

    def call(self, inputs: list[Any], offered: Options, given: Options) -> list[Record]:
        """Runs it with what it takes of what is offered, and with the options that are given."""
        takes = inspect.signature(self.function).parameters
        keywords = {name: value for name, value in offered.items() if name in takes}
        given_back = self.function(*inputs, **{**keywords, **self.parsed(given)})
        records = [given_back] if isinstance(given_back, Record) else given_back
        if not isinstance(records, Sequence) or not all(isinstance(r, Record) for r in records):
            raise TypeError(f"the task must give a Record or a list of them, got {records!r}")
        for record in records:
            record.to_json()  # refuses what no file of results can hold
        return list(records)


def _check_grid(options: Options) -> None:
    for recipe in options["grid"]:
        checks.positive("learning_rate", recipe.learning_rate)
        checks.whole("batch_size", recipe.batch_size)
        checks.finite("weight_decay", recipe.weight_decay, at_least=0)


def _check_linear_grid(options: Options) -> None:
    _check_grid(options)
    check_milestones(options["milestones"])


def _check_episodes(options: Options) -> None:
    if not isinstance(options["episodes"], Episodes):
        checks.whole("episodes", options["episodes"])


def _check_segments(options: Options) -> None:
    for name in ("crop_size", "window", "window_step", "scale"):
        value = options[name]
        if value == []:
            checks.refuse(name, "a number, or one for height and one for width", value)
        for side in [] if value is None else value if isinstance(value, Sequence) else [value]:
            checks.positive(name, side)


_FEW_SHOT = ("ways", "queries")
TASKS: dict[str, Task] = {
    "knn": Task(
        evaluate_knn,
        ("train", "test"),
        FEATURES,
        check=bounds(whole=["k"], positive=["temperature"]),
    ),
    "linear": Task(
        evaluate_linear,
        ("train", "test"),
        FEATURES,
        check=bounds(whole=["max_iter"], positive=["strength"]),
    ),
    "linear_grid": Task(
        evaluate_linear_grid,
        ("train", "test"),
        "images",
        check=bounds(
            whole=["tune_epochs", "epochs", "per_class"],
            positive=["share"],
            shares=["share"],
            filled=["grid"],
            optional=["per_class"],
            also=_check_linear_grid,
        ),
    ),
    "moco_linear": Task(
        evaluate_moco_linear,
        ("train", "test"),
        "images",
        check=bounds(whole=["epochs", "batch_size"], positive=["learning_rate"]),
    ),
    "readout": Task(
        evaluate_readout,
        ("train", "test"),
        FEATURES,
        check=bounds(whole=["max_iter"], positive=["tol"], filled=["penalties"]),
    ),
    "stages": Task(
        evaluate_stages,
        ("train", "test"),
        "images",
        check=bounds(whole=["batch_size"], filled=["probes"], choices={"probes": PROBES}),
    ),
    "few_shot": Task(
        evaluate_few_shot,
        ("all",),
        FEATURES,
        one_by_one="shots",
        view=islam_test_policy,
        check=bounds(
            whole=_FEW_SHOT,
            lists=["shots"],
            positive=["strength"],
            choices={"classifier": ("logistic", "euclidean", "cosine")},
            also=_check_episodes,
        ),
    ),
    "few_shot_finetune": Task(
        finetune_few_shot,
        ("all",),
        "images",
        one_by_one="shots",
        check=bounds(
            whole=_FEW_SHOT,
            least_zero=["last_stages"],
            lists=["shots"],
            optional=["last_stages"],
            also=_check_episodes,
        ),
    ),
    "finetune": Task(
        finetune,
        ("train", "test"),
        "images",
        check=bounds(
            whole=["tune_epochs", "epochs", "test_every", "per_class"],
            positive=["share"],
            least_zero=["last_stages"],
            shares=["share"],
            filled=["grid"],
            optional=["per_class", "last_stages"],
            also=_check_grid,
        ),
    ),
    "detection": Task(
        detect,
        ("train", "test"),
        "objects",
        has_image_size=False,
        check=bounds(
            whole=["regions_per_image", "longest_side", "follow_batch"],
            least_zero=["freeze_parts", "precise_batches", "weight_decay"],
            shares=["flip"],
            lists=["short_sides"],
            filled=["protocols", "anchor_sizes"],
            choices={
                "neck": ("c4", "fpn"),
                "norm": ("sync", "plain", "frozen"),
                "protocols": ("coco", "voc07", "voc10"),
            },
            optional=["follow_batch", "anchor_sizes"],
            also=lambda options: check_recipe(options["recipe"]),
        ),
    ),
    "segmentation": Task(
        segment,
        ("train", "test"),
        "segments",
        has_image_size=False,
        check=bounds(
            whole=[
                *("steps", "batch_size", "width", "output_stride", "test_batch_size"),
                *("short_side", "test_short_side"),
            ],
            positive=["learning_rate", "head_rate", "max_share"],
            least_zero=["weight_decay", "auxiliary"],
            shares=["flip", "max_share", "dropout"],
            filled=["scale"],
            optional=["short_side", "test_short_side", "dropout"],
            also=_check_segments,
        ),
    ),
    "landmarks": Task(
        fit_landmarks,
        ("train", "test"),
        "landmarks",
        check=bounds(
            whole=["epochs", "batch_size", "grid", "hidden"],
            positive=["learning_rate", "backbone_learning_rate"],
            least_zero=["weight_decay"],
            optional=["backbone_learning_rate"],
            also=lambda options: checks.finite("margin", options["margin"], above=-0.5),
        ),
    ),
}
_PRECISIONS = ("32-true", "64-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true")


def check_options(
    tasks: Sequence[str], options: Mapping[str, Options], *, image_size: int | None, precision: str
) -> None:
    """Refuses what no task knows, and what is out of range.

    Raises:
        ValueError: if a task or an option is unknown or out of range; names those that are known.
        TypeError: if a value is of the wrong kind.
    """
    if isinstance(tasks, str) or not isinstance(tasks, Sequence):
        checks.refuse("tasks", "a list of names", tasks, kind=TypeError)
    if not tasks:
        checks.refuse("tasks", "a list of at least one name", tasks)
    checks.instance("options", options, Mapping, "a mapping of tasks to options")
    for name in tasks:
        checks.choice("tasks", name, list(TASKS))
    if image_size is not None:
        checks.whole("image_size", image_size)
    checks.choice("precision", precision, _PRECISIONS)
    for name, given in options.items():
        if name not in tasks:
            raise ValueError(f"`options` are of the tasks {', '.join(tasks)}, got {name!r}")
        checks.instance(f"options[{name!r}]", given, Mapping, "a mapping of options")
        known = TASKS[name].options
        for option, value in given.items():
            if option not in known:
                raise ValueError(f"`options` of {name!r} are {', '.join(known)}, got {option!r}")
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise TypeError(
                    f"`options` must be JSON values, so that results say how they were made; "
                    f"{option!r} of {name!r} is {value!r}"
                ) from error
        try:
            TASKS[name].check({**known, **TASKS[name].parsed(given)})
        except (TypeError, ValueError) as error:
            raise type(error)(f"`options` of {name!r}: {error}") from error


def all_options(task: Task, given: Options, offered: Options) -> dict[str, Any]:
    """Every option of a job that its result depends on, as JSON values."""
    options = task.options
    options.update({name: offered[name] for name in ("image_size", "precision") if name in options})
    options.update(given)
    for name in ("num_workers", "device", "accelerator", "devices", "pictures", "folder"):
        options.pop(name, None)  # where it is computed does not change the result
    encoded: dict[str, Any] = json.loads(json.dumps(options, default=_encoded))
    return encoded


def view_of(task: Task, seen: InputSpec, image_size: int | None) -> ViewPolicy:
    """How a task on features shows images to a backbone."""
    return task.view(image_size, seen=seen)


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


def _encoded(value: Any) -> Any:
    return str(value) if isinstance(value, Path | torch.device) else repr(value)
