"""Checks of all arguments of a call, before the call begins."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from .arguments import Rule, arguments, read_signature
from .choices import filled as filled_check
from .names import MEANINGS

_Checked = TypeVar("_Checked", bound=Callable[..., Any])


def checked_call(
    *, free: Collection[str] = (), filled: Collection[str] = (), **rules: Rule
) -> Callable[[_Checked], _Checked]:
    """Has the arguments of a function or a class checked by `arguments` whenever it is called.

    Arguments whose name means one thing everywhere (``seed``, ``batch_size``, ...) must be in its
    range, too: see `MEANINGS`.

    Args:
        free: arguments that are not checked.
        filled: collections that must not be empty.
        **rules: see `arguments`; they go before the meaning of a name.

    Returns:
        A decorator. Of a NamedTuple it checks the fields with which one is made.

    Example:
        >>> from .numbers import whole
        >>> @checked_call(k=whole)
        ... def vote(k: int, temperature: float = 0.07, *, mode: str | None = None) -> int:
        ...     return k
        >>> vote(3)
        3
        >>> vote(3, float("nan"))
        Traceback (most recent call last):
        ValueError: `temperature` must be a finite number above 0, got nan
        >>> vote(0)
        Traceback (most recent call last):
        ValueError: `k` must be a whole number of at least 1, got 0
    """

    def decorate(checked: _Checked) -> _Checked:
        if not hasattr(checked, "_fields"):
            return _checking(checked, None, free, filled, rules)
        made = _checking(checked.__new__, checked, free, filled, rules)
        checked.__new__ = staticmethod(made)  # type: ignore[method-assign]
        return checked

    return decorate


def _checking(
    function: Any,
    fields_of: Any,
    free: Collection[str],
    filled: Collection[str],
    rules: dict[str, Rule],
) -> Any:
    signature = inspect.signature(function)
    if fields_of is not None:
        made = function

        # Its annotations are those of the class, and can be resolved there alone.
        @functools.wraps(made)
        def function(*values: Any, **named: Any) -> Any:
            return made(*values, **named)

    @functools.cache
    def all_rules() -> dict[str, Rule]:
        if fields_of is not None:
            function.__annotations__ = typing.get_type_hints(fields_of)
        return {
            name: rule for name, rule in _meanings(function).items() if name not in free
        } | rules

    @functools.wraps(function)
    def call(*values: Any, **named: Any) -> Any:
        bound = signature.bind(*values, **named).arguments
        present = {name: value for name, value in bound.items() if name not in free}
        rules_by_name = all_rules()
        arguments(function, present, **rules_by_name)
        for name in filled:
            if present.get(name) is not None:
                filled_check(name, present[name])
        return function(*values, **named)

    return call


def _meanings(function: Callable[..., Any]) -> dict[str, Rule]:
    """What the names of arguments mean, where they are numbers, devices, paths or choices."""
    return {
        name: MEANINGS[name]
        for name, kinds in read_signature(function).items()
        if name in MEANINGS
        and any(kind.words in _MEANT or (name, kind.words) in _CHOICES for kind in kinds)
    }


_MEANT = ("a whole number", "a number", "a device", "a Path")
_CHOICES = (("precision", "a text"), ("accelerator", "a text"))
