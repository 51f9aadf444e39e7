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
from instdisc.data.layout import Part
from instdisc.types import InputSpec, Record

from ..detection.detect import detect
from ..few_shot.finetune import finetune_few_shot
from ..few_shot.frozen import evaluate_few_shot
from ..finetuning.finetune import finetune
from ..knn import evaluate_knn
from ..landmarks.fit import fit_landmarks
from ..linear.grid import evaluate_linear_grid, islam_test_policy
from ..linear.logistic import evaluate_linear
from ..linear.moco import evaluate_moco_linear
from ..linear.readout import evaluate_readout
from ..linear.stages import evaluate_stages
from ..segmentation.segment import segment

FEATURES = "features"
# What the suite says itself; options of a user cannot.
_SAID = {"about", "seed", "classes", "progress", "predictions"}
Options = Mapping[str, Any]


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
        return [{**given, name: [value]} for value in given.get(name, self.options[name])]

    def call(self, inputs: list[Any], offered: Options, given: Options) -> list[Record]:
        """Runs it with what it takes of what is offered, and with the options that are given."""
        takes = inspect.signature(self.function).parameters
        keywords = {name: value for name, value in offered.items() if name in takes}
        typed = {name: _typed(value, self.options[name]) for name, value in given.items()}
        records = self.function(*inputs, **{**keywords, **typed})
        return [records] if isinstance(records, Record) else list(records)


def bounds(
    *,
    whole: Sequence[str] = (),
    positive: Sequence[str] = (),
    least_zero: Sequence[str] = (),
    lists: Sequence[str] = (),
    choices: Mapping[str, Sequence[Any]] | None = None,
) -> Callable[[Options], None]:
    """A check of options.

    Args:
        whole: options that are whole numbers of at least 1.
        positive: that are finite numbers above 0.
        least_zero: that are finite numbers of at least 0.
        lists: that are lists of whole numbers of at least 1.
        choices: that are one of some values.

    Example:
        >>> bounds(whole=["k"])({"k": -3})
        Traceback (most recent call last):
        ValueError: `k` must be a whole number of at least 1, got -3
    """

    def check(options: Options) -> None:
        for name in whole:
            checks.whole(name, options[name])
        for name in positive:
            checks.positive(name, options[name])
        for name in least_zero:
            checks.finite(name, options[name], at_least=0)
        for name in lists:
            values = options[name]
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                checks.refuse(name, "a list of at least one whole number", values)
            for value in values:
                checks.whole(name, value)
        for name, values in (choices or {}).items():
            checks.choice(name, options[name], values)

    return check


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
        check=bounds(whole=["tune_epochs", "epochs"], positive=["share"]),
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
        check=bounds(whole=["max_iter"], positive=["tol"]),
    ),
    "stages": Task(evaluate_stages, ("train", "test"), "images"),
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
        ),
    ),
    "few_shot_finetune": Task(
        finetune_few_shot,
        ("all",),
        "images",
        one_by_one="shots",
        check=bounds(whole=_FEW_SHOT, lists=["shots"]),
    ),
    "finetune": Task(
        finetune,
        ("train", "test"),
        "images",
        check=bounds(whole=["tune_epochs", "epochs", "test_every"], positive=["share"]),
    ),
    "detection": Task(
        detect,
        ("train", "test"),
        "objects",
        has_image_size=False,
        check=bounds(
            whole=["regions_per_image", "longest_side"],
            least_zero=["freeze_parts", "precise_batches", "weight_decay", "flip"],
            lists=["short_sides"],
            choices={"neck": ("c4", "fpn"), "norm": ("sync", "plain", "frozen")},
        ),
    ),
    "segmentation": Task(
        segment,
        ("train", "test"),
        "segments",
        has_image_size=False,
        check=bounds(
            whole=["steps", "batch_size", "width", "output_stride", "test_batch_size"],
            positive=["learning_rate", "head_rate"],
            least_zero=["weight_decay", "auxiliary", "flip"],
        ),
    ),
    "landmarks": Task(
        fit_landmarks,
        ("train", "test"),
        "landmarks",
        check=bounds(
            whole=["epochs", "batch_size", "grid", "hidden"],
            positive=["learning_rate"],
            least_zero=["weight_decay"],
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
    if isinstance(tasks, str):
        checks.refuse("tasks", "a list of names", tasks, kind=TypeError)
    for name in tasks:
        checks.choice("tasks", name, list(TASKS))
    if image_size is not None:
        checks.whole("image_size", image_size)
    checks.choice("precision", precision, _PRECISIONS)
    for name, given in options.items():
        if name not in tasks:
            raise ValueError(f"`options` are of the tasks {', '.join(tasks)}, got {name!r}")
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
            TASKS[name].check({**known, **given})
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


def _typed(value: Any, default: Any) -> Any:
    """What JSON says, as the named tuple or the tuple of named tuples that a default is."""
    if hasattr(default, "_fields"):
        return default._replace(**value) if isinstance(value, dict) else type(default)(*value)
    if isinstance(default, tuple) and default and hasattr(default[0], "_fields"):
        return [_typed(one, default[0]) for one in value]
    return value
