"""The arguments of a call against its signature: one line at the top of what users call."""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .choices import choice
from .form import refuse
from .kinds import Kind, join_words, read_kinds

Rule = Callable[[str, Any], Any]


def arguments(function: Callable[..., Any], values: Mapping[str, Any], **rules: Rule) -> None:
    """Refuses what does not fit the types that a signature names, under the user's own names.

    A number must be finite and no text, a whole number no float, a flag True or False; a choice
    must be one of those listed, None must stand in the signature. It comes first: what is called
    next may name its arguments otherwise.

    Args:
        function: the one that is called, or ``Class.__init__``.
        values: of its arguments by name: ``locals()`` at its top. Others are not looked at.
        **rules: for an argument, what the type cannot say, e.g. ``temperature=positive``: called
            with name and value where it is not None; where the type is a sequence, with each item.

    Raises:
        TypeError: if a value is of none of the types.
        ValueError: if a number is not finite, or a value breaks a rule or is none of the choices.

    Example:
        >>> from instdisc.checks import share
        >>> def crop(size: int, scale: float = 1.0, *, mode: str | None = None) -> None:
        ...     arguments(crop, locals(), scale=share)
        >>> crop(32, 0.5)
        >>> crop(32.5)
        Traceback (most recent call last):
        TypeError: `size` must be a whole number, got 32.5
        >>> crop(32, 2)
        Traceback (most recent call last):
        ValueError: `scale` must be a finite number of at least 0 and at most 1, got 2
    """
    kinds_by_name = read_signature(function)
    assert kinds_by_name.keys() >= rules.keys(), f"no such arguments: {sorted(rules)}"
    for name, kinds in kinds_by_name.items():
        if name in values:
            _check(name, values[name], kinds, rules.get(name))


def every(rule: Rule) -> Rule:
    """A rule for each item of a sequence, for where the signature names a number or a sequence.

    Example:
        >>> from instdisc.checks import positive
        >>> every(positive)("sizes", [1, 0])
        Traceback (most recent call last):
        ValueError: `sizes[1]` must be a finite number above 0, got 0
    """

    def check(name: str, value: Any) -> Any:
        for number, item in enumerate(value):
            rule(f"{name}[{number}]", item)
        return value

    return check


def _check(name: str, value: Any, kinds: list[Kind], rule: Rule | None) -> None:
    if not any(kind.fits(value) for kind in kinds):
        options = [option for kind in kinds for option in kind.options]
        if options and isinstance(value, tuple({type(option) for option in options})):
            choice(name, value, [*options, *([None] if any(k.fits(None) for k in kinds) else [])])
        words = join_words(kinds)
        refuse(name, "a finite number" if words == "a number" else words, value, kind=TypeError)
    if rule is not None and value is not None:  # first: it tells the bounds, too
        listed = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
        (every(rule) if listed else rule)(name, value)
    _check_finite(name, value)


def _check_finite(name: str, value: Any) -> None:
    if isinstance(value, numbers.Integral):
        if not -(2**63) <= int(value) < 2**63:  # what tensors and their sizes hold
            refuse(name, "a whole number of at most 64 bits", value)
    elif isinstance(value, numbers.Real) and not math.isfinite(value):
        refuse(name, "a finite number", value)
    if isinstance(value, tuple | list):
        for number, item in enumerate(value):
            if isinstance(item, float) and not math.isfinite(item):
                refuse(f"{name}[{number}]", "a finite number", item)


@functools.cache
def read_signature(function: Callable[..., Any]) -> dict[str, list[Kind]]:
    """The kinds of value that each argument takes, by its name; without ``*args``."""
    hints = typing.get_type_hints(function)
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        name: read_kinds(hints[name])
        for name, parameter in inspect.signature(function).parameters.items()
        if name in hints and parameter.kind not in variadic
    }
