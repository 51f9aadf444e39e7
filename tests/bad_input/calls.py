"""How a public callable is called, and what sort each of its arguments takes."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .reading import read_sort
from .sorts import Sort


@dataclass
class Call:
    """A specification: one callable, a call of it that works, and its sorts.

    Args:
        name: dotted, from ``instdisc``; what follows `make_function` is said after a colon, e.g.
            "instdisc.FeatureQueue:push".
        make: the arguments of a call that works, made anew in each case; fast.
        sorts: of arguments, where the signature and the table of names in reading.py don't tell;
            None for an argument that is not tried, with the reason in a comment beside it.
        says: other names under which an argument may be refused, e.g. ``{"bank": "bank.labels"}``.
        raises: further exceptions that refuse an argument, e.g. of a file that isn't there.
        function: what is called, if it isn't what stands under `name`; made anew in each case.
        run: calls the function; for what shows a fault only in use.
    """

    name: str
    make: Callable[[], dict[str, Any]] = dict
    sorts: Mapping[str, Sort | None] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    raises: Mapping[str, type[Exception]] = field(default_factory=dict)
    function: Callable[[], Callable[..., Any]] | None = None
    seconds: float = 20.0

    def resolve(self) -> Callable[..., Any]:
        """What is called."""
        return resolve(self.name.split(":")[0]) if self.function is None else self.function()

    def cases(self) -> list[Case]:
        """Every argument with every value that is bad for it."""
        return [
            Case(self, argument, bad.kind, bad.make)
            for argument, sort in self.all_sorts().items()
            for bad in sort.cases()
        ]

    def all_sorts(self) -> dict[str, Sort]:
        """The sorts of all arguments that are tried.

        Raises:
            LookupError: if the sort of an argument is not told anywhere.
        """
        function = self.resolve()
        sorts: dict[str, Sort] = {}
        for name, annotation, default in read_arguments(function):
            if name in self.sorts:
                chosen = self.sorts[name]
                if chosen is not None:
                    sorts[name] = chosen
            else:
                sorts[name] = read_sort(name, annotation, default, f"{self.name}({name})")
        left = self.sorts.keys() - {name for name, *_ in read_arguments(function)}
        assert not left, f"{self.name} has no arguments {sorted(left)}"
        return sorts


@dataclass
class Case:
    """One bad value for one argument."""

    call: Call
    argument: str
    kind: str
    make_bad: Callable[[Any], Any]

    @property
    def title(self) -> str:
        """E.g. "instdisc.FeatureQueue(size=nan)"."""
        return f"{self.call.name}({self.argument}={self.kind})"

    def run(self) -> None:
        """Makes the call; raises what it raises."""
        arguments = self.call.make()
        function = self.call.resolve()
        defaults = {name: default for name, _, default in read_arguments(function)}
        good = arguments.get(self.argument, defaults[self.argument])
        arguments[self.argument] = self.make_bad(good)
        function(**arguments)


def resolve(name: str) -> Any:
    """What stands under a dotted name."""
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def read_arguments(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """(name, annotation, default) of each argument."""
    hints = _hints(function)
    return [
        (name, hints.get(name, parameter.annotation), parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _hints(function: Any) -> dict[str, Any]:
    if not inspect.isclass(function):
        return typing.get_type_hints(function)
    if hasattr(function, "_fields"):  # a NamedTuple
        return typing.get_type_hints(function)
    return typing.get_type_hints(function.__init__)
