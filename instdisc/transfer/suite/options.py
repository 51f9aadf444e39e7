"""What a user may set of a task: JSON values become what its function takes, or are refused."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from instdisc import checks

Options = Mapping[str, Any]


def parse(name: str, value: Any, hint: Any, default: Any = None) -> Any:
    """A JSON value as what an option is declared to be.

    Args:
        name: of the option.
        value: what JSON says; of a named tuple a list, or a mapping of what differs from the
            default.
        hint: the option's annotation.
        default: its default.

    Raises:
        TypeError: if the value is of another type.

    Example:
        >>> parse("k", 20, int), parse("scale", [0.5, 2], Sequence[float])
        (20, [0.5, 2])
        >>> parse("epochs", "ten", int | None)
        Traceback (most recent call last):
        TypeError: `epochs` must be of type int | None, got 'ten'
    """
    hint = _like(default) if hint is Any else hint
    try:
        return _parse(value, hint, default)
    except TypeError:
        shown = getattr(hint, "__name__", str(hint)) if not get_args(hint) else str(hint)
        checks.refuse(name, f"of type {shown}", value, kind=TypeError)


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function; none where they cannot be resolved."""
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):
        return {}


def _parse(value: Any, hint: Any, default: Any) -> Any:
    kind = get_origin(hint)
    if hint is Any:
        return value
    if kind in (Union, UnionType):
        for member in get_args(hint):
            try:
                return _parse(value, member, default)
            except TypeError:
                continue
        raise TypeError
    if kind is Literal:
        return _if(value in get_args(hint), value)
    if hint in (None, NoneType):
        return _if(value is None, value)
    if hint is float:
        return _if(isinstance(value, int | float) and not isinstance(value, bool), value)
    if hint is int:
        return _if(isinstance(value, int) and not isinstance(value, bool), value)
    if isinstance(hint, type) and hasattr(hint, "_fields"):
        return _named(value, hint, default)
    if isinstance(kind, type) and issubclass(kind, Sequence):
        _if(isinstance(value, list | tuple), value)
        first = default[0] if isinstance(default, Sequence) and default else None
        return [_parse(entry, get_args(hint)[0], first) for entry in value]
    return _if(not isinstance(hint, type) or isinstance(value, hint), value)


def _like(default: Any) -> Any:
    """What an option without annotation takes, as far as its default tells."""
    if hasattr(default, "_fields"):
        return type(default)
    if isinstance(default, tuple) and default and hasattr(default[0], "_fields"):
        return Sequence[type(default[0])]  # type: ignore[misc]
    return Any


def _named(value: Any, hint: Any, default: Any) -> Any:
    if isinstance(value, hint):
        return value
    if not isinstance(value, Mapping | list | tuple):
        raise TypeError
    partial = isinstance(value, Mapping) and isinstance(default, hint)
    base = default._asdict() if partial else hint._field_defaults
    fields = value if isinstance(value, Mapping) else dict(zip(hint._fields, value, strict=False))
    wrong = not set(fields) <= set(hint._fields) or len(fields) < len(value)
    if wrong or value in ([], ()):
        raise TypeError
    types = hints_of(hint)
    parsed = {name: _parse(entry, types[name], None) for name, entry in fields.items()}
    return hint(**{**base, **parsed})


def _if(fits: bool, value: Any) -> Any:
    if not fits:
        raise TypeError
    return value


def bounds(
    *,
    whole: Sequence[str] = (),
    positive: Sequence[str] = (),
    least_zero: Sequence[str] = (),
    shares: Sequence[str] = (),
    lists: Sequence[str] = (),
    filled: Sequence[str] = (),
    choices: Mapping[str, Sequence[Any]] | None = None,
    optional: Sequence[str] = (),
    also: Callable[[Options], object] = lambda options: None,
) -> Callable[[Options], None]:
    """A check of options.

    Args:
        whole: options that are whole numbers of at least 1.
        positive: that are finite numbers above 0.
        least_zero: that are finite numbers of at least 0.
        shares: that are finite numbers from 0 to 1.
        lists: that are lists of whole numbers of at least 1.
        filled: that are lists of at least one entry, whose numbers are above 0.
        choices: that are one of some values, or lists of such.
        optional: of all these, those that may be ``None``.
        also: another check of all options.

    Example:
        >>> bounds(whole=["k"])({"k": -3})
        Traceback (most recent call last):
        ValueError: `k` must be a whole number of at least 1, got -3
    """

    def check(options: Options) -> None:
        unset = {name for name in optional if options[name] is None}
        for name in set(whole) - unset:
            checks.whole(name, options[name])
        for name in set(positive) - unset:
            checks.positive(name, options[name])
        for name in set(least_zero) - unset:
            checks.finite(name, options[name], at_least=0)
        for name in set(shares) - unset:
            checks.share(name, options[name])
        for name in {*lists, *filled} - unset:
            values = options[name]
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                checks.refuse(name, "a list of at least one", values)
            for value in values:
                if name in lists:
                    checks.whole(name, value)
                elif isinstance(value, int | float):
                    checks.positive(name, value)
        for name, values in (choices or {}).items():
            chosen = options[name]
            for value in [chosen] if isinstance(chosen, str) else chosen:
                checks.choice(name, value, values)
        also(options)

    return check
