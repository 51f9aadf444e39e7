"""The jobs that a suite is made of, and what each is found again by."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from instdisc import checks
from instdisc.data import Episodes, ViewPolicy, describe_view
from instdisc.types import InputSpec

from ..keys import job_key
from .episodes import fix_episodes
from .options import Options
from .registry import TASKS
from .sets import SuiteSet
from .subjects import Subject
from .tasks import FEATURES, Task


class Job(NamedTuple):
    """One call of one task.

    Attributes:
        key: a hash of all that its result depends on.
        task: its name.
        options: those that are given.
        data: the data set.
        subjects: the backbone; all of them if the task looks at them together.
        after: the job whose predictions it takes, if it takes any.
    """

    key: str
    task: str
    options: dict[str, Any]
    data: SuiteSet
    subjects: tuple[Subject, ...]
    after: Job | None = None

    @property
    def subject(self) -> Subject:
        """The backbone, or the first of several."""
        return self.subjects[0]

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the backbones."""
        return tuple(subject.name for subject in self.subjects)

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.task} on {self.data.name} with {', '.join(self.methods)}"


def plan_jobs(
    subjects: Sequence[Subject],
    sets: Sequence[SuiteSet],
    tasks: Sequence[str],
    options: Mapping[str, Mapping[str, Any]],
    offered: Mapping[str, Any],
    miss: Callable[[str, str], None],
) -> list[Job]:
    """Every job, data set by data set, so that images kept in memory serve every backbone.

    Args:
        subjects: the backbones.
        sets: the data sets.
        tasks: their names.
        options: that are given, by task.
        offered: what the suite offers to every task.
        miss: called with what a set cannot serve, and why.
    """
    jobs = []
    for data in sets:
        served: list[str] = []
        for name in dict.fromkeys(tasks):
            task = TASKS[name]
            if task.kind not in data.kinds:
                serves = ", ".join(data.kinds) or "nothing that is known"
                miss(f"{name} on {data.name}", f"it needs {task.kind}, and the set has {serves}")
                continue
            try:
                for wanted in (task, *([TASKS[task.after]] if task.after else [])):
                    for part in wanted.parts:
                        data.fingerprint(wanted.kind, part)
                served.append(name)
            except (FileNotFoundError, ValueError) as error:
                miss(f"{name} on {data.name}", str(error))
        # Backbone by backbone, so that each is loaded once; then what takes all of them.
        apart = [name for name in served if not TASKS[name].together]
        together = [name for name in served if TASKS[name].together and subjects]
        calls: list[tuple[str, tuple[Subject, ...]]] = [
            (name, (subject,)) for subject in subjects for name in apart
        ]
        calls += [(name, tuple(subjects)) for name in together]
        chosen = {
            name: _fixed(name, options, data, offered["seed"], miss)
            for name in dict.fromkeys(name for name, _ in calls)
        }
        for name, group in calls:
            for job_options in chosen[name]:
                jobs.append(_job(name, job_options, offered, data, group, options))
    return jobs


def _fixed(
    name: str,
    options: Mapping[str, Mapping[str, Any]],
    data: SuiteSet,
    seed: int,
    miss: Callable[[str, str], None],
) -> list[dict[str, Any]]:
    """The options of each job of a task on a set, with its list of episodes; none without it."""
    try:
        return TASKS[name].jobs(fix_episodes(TASKS[name], options.get(name, {}), data, seed))
    except (OSError, ValueError) as error:
        miss(f"{name} on {data.name}", str(error))
        return []


def _job(
    name: str,
    job_options: dict[str, Any],
    offered: Mapping[str, Any],
    data: SuiteSet,
    subjects: tuple[Subject, ...],
    options: Mapping[str, Mapping[str, Any]],
) -> Job:
    task = TASKS[name]
    after = None
    if task.after:
        before = fix_episodes(TASKS[task.after], options.get(task.after, {}), data, offered["seed"])
        (first, *more) = TASKS[task.after].jobs(before)
        if more:
            raise ValueError(
                f"`options` of {task.after!r} must be those of one run, since {name!r} looks at "
                f"its predictions, got {len(more) + 1}"
            )
        after = _job(task.after, first, offered, data, subjects, options)
    digests = [data.fingerprint(task.kind, part).digest for part in task.parts]
    key = _key(name, job_options, offered, digests, subjects, after)
    return Job(key, name, job_options, data, subjects, after)


def _key(
    name: str,
    options: Mapping[str, Any],
    offered: Mapping[str, Any],
    digests: Sequence[str],
    subjects: Sequence[Subject],
    after: Job | None,
) -> str:
    task = TASKS[name]
    views = [
        describe_view(view_of(task, subject.input, offered["image_size"]))
        if task.on == FEATURES
        else None
        for subject in subjects
    ]
    parts: dict[str, Any] = {
        "task": name,
        "version": task.version,
        "options": all_options(task, options, offered),
        "seed": offered["seed"],
        "weights": subjects[0].about.weights,
        "input": subjects[0].input._asdict(),
        "view": views[0],
        "data": list(digests),
    }
    if task.together:  # its records and arrays tell the names
        parts["names"] = [subject.name for subject in subjects]
        parts["weights"] = [subject.about.weights for subject in subjects]
        parts["input"] = [subject.input._asdict() for subject in subjects]
        parts["view"] = views
    if after is not None:
        parts["after"] = after.key
    return job_key(parts)


def all_options(task: Task, chosen: Options, offered: Options) -> dict[str, Any]:
    """Every option of a job that its result depends on, as JSON values; see `Task.added`."""
    options = task.options
    options.update({name: offered[name] for name in ("image_size", "precision") if name in options})
    options.update(chosen)
    if isinstance(options.get("episodes"), Episodes):  # the list itself, however its file is called
        options["episodes"] = options["episodes"].first(max(options["shots"])).digest
    for name in ("num_workers", "device", "accelerator", "devices", "pictures", "folder"):
        options.pop(name, None)  # where it is computed does not change the result
    if not task.writes_arrays:  # the pictures of an analysis are part of its arrays
        options.pop("thumbnail", None)
    encoded = _as_json(options)
    added = {name: value for name, value in task.options.items() if name in task.added}
    # With these as they always were, a result that was stored before them counts on.
    unchanged = {name for name, value in _as_json(added).items() if encoded[name] == value}
    return {name: value for name, value in encoded.items() if name not in unchanged}


def view_of(task: Task, seen: InputSpec, image_size: int | None) -> ViewPolicy:
    """How a task on features shows images to a backbone."""
    return task.view(image_size, seen=seen)


def _as_json(options: Options) -> dict[str, Any]:
    return {
        name: json.loads(json.dumps(value, default=functools.partial(_encoded, name)))
        for name, value in options.items()
    }


def _encoded(name: str, value: Any) -> Any:
    """What a default that is no JSON value is found again by: its text, if that says what it is."""
    if isinstance(value, Path | torch.device):
        return str(value)
    if inspect.isfunction(value) or isinstance(value, type):
        text = f"{value.__module__}.{value.__qualname__}"
    else:
        text = repr(value)
    # Of a lambda, or of an object without a text of its own, another run would make another.
    if "<lambda>" in text or " at 0x" in text:
        checks.refuse(
            f"options[{name!r}]",
            "by default something that a result can be found again by",
            value,
            "Make it a name, a NamedTuple of numbers, or give its class a __repr__ that tells all.",
            kind=TypeError,
        )
    return text
