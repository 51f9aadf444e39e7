"""The options of a suite before anything runs: what is refused, and what is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from instdisc import checks

from .options import Options
from .registry import TASKS
from .tasks import EPISODES_FILE, Task

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
    tasks = [*tasks, *(TASKS[name].after for name in tasks if TASKS[name].after)]
    for name, task_options in options.items():
        if name not in tasks:
            raise ValueError(f"`options` are of the tasks {', '.join(tasks)}, got {name!r}")
        checks.instance(f"options[{name!r}]", task_options, Mapping, "a mapping of options")
        task = TASKS[name]
        accepted = [*task.options, *task.suite_options]
        for option, value in task_options.items():
            if option not in accepted:
                raise ValueError(f"`options` of {name!r} are {', '.join(accepted)}, got {option!r}")
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise TypeError(
                    f"`options` must be JSON values, so that results say how they were made; "
                    f"{option!r} of {name!r} is {value!r}"
                ) from error
        try:
            _check_values(task, task_options)
        except (TypeError, ValueError) as error:
            raise type(error)(f"`options` of {name!r}: {error}") from error


def _check_values(task: Task, chosen: Options) -> None:
    if "protocol" in chosen:
        checks.choice("protocol", chosen["protocol"], list(task.protocols))
    if EPISODES_FILE in chosen:
        checks.text(EPISODES_FILE, chosen[EPISODES_FILE])
    for job in task.jobs({name: v for name, v in chosen.items() if name != EPISODES_FILE}):
        task.check({**task.options, **task.parsed(job)})


def without_thumbnails(
    options: Mapping[str, Options], tasks: Sequence[str]
) -> Mapping[str, Options]:
    """The options, with no picture in the arrays of each task that may keep some."""
    settings = dict(options)
    for name in [*tasks, *(TASKS[name].after for name in tasks if TASKS[name].after)]:
        if "thumbnail" in TASKS[name].options:
            settings[name] = {**settings.get(name, {}), "thumbnail": 0}
    return settings
