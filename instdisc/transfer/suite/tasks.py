"""How a suite calls a task."""

from __future__ import annotations

import inspect
from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from instdisc.checks import checked_call
from instdisc.data import ViewPolicy, evaluation_policy
from instdisc.data.layout import Part
from instdisc.types import Record

from .options import Options, hints_of, parse

FEATURES = "features"
EPISODES_FILE = "episodes_file"
TaskPart = Literal[Part, "base_train", "base_test", "novel"]
# What the suite says itself; options of a user cannot.
_SAID = {"about", "seed", "classes", "progress", "predictions", "arrays"}


def accept_options(options: Options) -> None:
    """Refuses none."""


@checked_call()
class Task(NamedTuple):
    """How a suite calls a task; add your own by ``TASKS["name"] = Task(...)``.

    Attributes:
        function: the task; its keywords are the options that a user may set. It gives a `Record`
            or several. Of the keywords ``about``, ``predictions``, ``arrays`` (the same file, for
            an analysis), ``seed``, ``classes``, ``progress``, ``device``, ``num_workers`` and so
            on it gets those that it takes.
        parts: of a data set, in the order in which the function takes them.
        on: what it takes: ``"features"`` of the parts; or the backbone and the images of a kind:
            ``"images"``, ``"objects"``, ``"segments"``, ``"landmarks"`` or a kind of your own (see
            `instdisc.data.Layout`).
        one_by_one: options whose values become jobs of their own, if a list of them is given.
        view: of a task on features: how the images are shown.
        has_image_size: whether all its images are made to one size; else the task has a rule of
            its own.
        check: refuses options out of range before anything runs; it gets all of them.
        version: another number when the arithmetic changes, so that old results do not count.
        together: whether it looks at all backbones at once: the function takes ``{name:
            backbone}``, or ``{name: features}``, where others take one.
        after: name of a task whose predictions the function takes, as `read_predictions` gives
            them, in place of a backbone: the suite runs that task first, with the options that it
            is given.
        protocols: options by the name of a published protocol, which a user sets as the option
            ``protocol``; what is set beside it counts.
        added: options that came when results were stored already. Where one has its default, which
            is what those results were made with, the key of a result is what it was without it.
    """

    function: Callable[..., Any]
    parts: tuple[TaskPart, ...]
    on: str
    one_by_one: str | tuple[str, ...] = ()
    view: Callable[..., ViewPolicy] = evaluation_policy
    has_image_size: bool = True
    check: Callable[[Options], object] = accept_options
    version: int = 1
    together: bool = False
    after: str = ""
    protocols: Mapping[str, Options] = MappingProxyType({})
    added: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What the images must come with."""
        return "images" if self.on == FEATURES else self.on

    @property
    def options(self) -> dict[str, Any]:
        """The options and their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {
            parameter.name: parameter.default
            for parameter in parameters
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.name not in _SAID
        }

    @property
    def writes_arrays(self) -> bool:
        """Whether it is an analysis."""
        return "arrays" in inspect.signature(self.function).parameters

    @property
    def suite_options(self) -> list[str]:
        """Options that the suite reads itself."""
        names = ["protocol"] if self.protocols else []
        return [*names, EPISODES_FILE] if "episodes" in self.options else names

    def expanded(self, chosen: Options) -> dict[str, Any]:
        """The chosen options, with those of the protocol that is named."""
        rest = dict(chosen)
        protocol = rest.pop("protocol", None)
        return rest if protocol is None else {**self.protocols[protocol], **rest}

    def jobs(self, chosen: Options) -> list[dict[str, Any]]:
        """The options of each job that this task means."""
        jobs = [self.expanded(chosen)]
        names = (self.one_by_one,) if isinstance(self.one_by_one, str) else self.one_by_one
        for name in filter(None, names):
            jobs = [each for job in jobs for each in self._apart(name, job)]
        return jobs

    def _apart(self, name: str, chosen: dict[str, Any]) -> list[dict[str, Any]]:
        default = self.options[name]
        values = chosen.get(name, default)
        if not isinstance(values, list | tuple) or not values:  # of these the check tells
            return [chosen]
        once = [value for row, value in enumerate(values) if value not in values[:row]]
        listed = isinstance(default, list | tuple)
        return [{**chosen, name: [value] if listed else value} for value in once]

    def parsed(self, chosen: Options) -> dict[str, Any]:
        """JSON values as what the function takes.

        Raises:
            TypeError: if one is of another type than the function's annotation says.
        """
        hints, defaults = hints_of(self.function), self.options
        return {
            name: parse(name, value, hints.get(name, Any), defaults[name])
            for name, value in chosen.items()
        }

    def call(self, inputs: list[Any], offered: Options, chosen: Options) -> list[Record]:
        """Runs it with those of the offered keywords that it takes, and with the chosen options."""
        takes = inspect.signature(self.function).parameters
        keywords = {name: value for name, value in offered.items() if name in takes}
        result = self.function(*inputs, **{**keywords, **self.parsed(chosen)})
        records = [result] if isinstance(result, Record) else result
        if not isinstance(records, Sequence) or not all(isinstance(r, Record) for r in records):
            raise TypeError(f"the task must give a Record or a list of them, got {records!r}")
        for record in records:
            record.to_json()  # refuses what no file of results can hold
        return list(records)


class TaskTable(UserDict[str, Task]):
    """Tasks by name. One may stand there as ``"MODULE.NAME"``: it is imported when asked for, so
    that what lies above this package can be run by a suite.
    """

    def __init__(self, tasks: Mapping[str, Task | str]) -> None:
        super().__init__()
        self._first: dict[str, Task | str] = {**tasks}
        self.data = {**tasks}  # type: ignore[dict-item]  # texts become tasks when asked for

    def __getitem__(self, name: str) -> Task:
        task: Task | str = self.data[name]
        if isinstance(task, str):
            module, _, attribute = task.rpartition(".")
            self.data[name] = getattr(import_module(module), attribute)
            if self._first.get(name) is task:
                self._first[name] = self.data[name]
        return self.data[name]

    def is_added(self, name: str) -> bool:
        """Whether a user put the task there, so that another process may not know it."""
        return self[name] is not self._first.get(name)
