"""Numbers: finite, positive, a share, whole."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, TypeVar

from .form import refuse

_Value = TypeVar("_Value")


def finite(
    name: str,
    value: _Value,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    remedy: str = "",
) -> _Value:
    """A finite number within bounds.

    Args:
        name: of the argument.
        value: an int or a float, numpy's too; neither a bool nor a text.
        above: it must be larger.
        at_least: it must be this or larger.
        below: it must be smaller.
        at_most: it must be this or smaller.
        remedy: what to do otherwise.

    Raises:
        TypeError: if it is no number.
        ValueError: if it is NaN, infinite or outside the bounds.

    Example:
        >>> finite("weight", 0.5, at_least=0)
        0.5
        >>> finite("weight", float("nan"), at_least=0)
        Traceback (most recent call last):
        ValueError: `weight` must be a finite number of at least 0, got nan
    """
    bounds = [("above", above), ("of at least", at_least), ("below", below), ("at most", at_most)]
    limits = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
    rule = "a finite number" + (f" {' and '.join(limits)}" if limits else "")
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        refuse(name, rule, value, remedy, kind=TypeError)
    try:
        number = float(value)
    except OverflowError:  # an int beyond the floats
        refuse(name, rule, value, remedy)
    if (
        not math.isfinite(number)
        or (above is not None and not number > above)
        or (at_least is not None and not number >= at_least)
        or (below is not None and not number < below)
        or (at_most is not None and not number <= at_most)
    ):
        refuse(name, rule, value, remedy)
    return value


def within(
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> Callable[[str, Any], Any]:
    """A rule: a finite number within bounds, see `finite`.

    Example:
        >>> within(above=0, below=1)("level", 1)
        Traceback (most recent call last):
        ValueError: `level` must be a finite number above 0 and below 1, got 1
    """
    return lambda name, value: finite(
        name, value, above=above, at_least=at_least, below=below, at_most=at_most
    )


def positive(name: str, value: _Value, *, remedy: str = "") -> _Value:
    """A finite number above 0; see `finite`.

    Example:
        >>> positive("temperature", float("inf"))
        Traceback (most recent call last):
        ValueError: `temperature` must be a finite number above 0, got inf
    """
    return finite(name, value, above=0, remedy=remedy)


def share(
    name: str, value: _Value, *, zero: bool = True, one: bool = True, remedy: str = ""
) -> _Value:
    """A number from 0 to 1.

    Args:
        name: of the argument.
        value: see `finite`.
        zero: whether 0 is allowed.
        one: whether 1 is allowed.
        remedy: what to do otherwise.

    Raises:
        TypeError, ValueError: see `finite`.

    Example:
        >>> share("flip", 1.5)
        Traceback (most recent call last):
        ValueError: `flip` must be a finite number of at least 0 and at most 1, got 1.5
    """
    return finite(
        name,
        value,
        above=None if zero else 0,
        at_least=0 if zero else None,
        below=None if one else 1,
        at_most=1 if one else None,
        remedy=remedy,
    )


def not_negative(name: str, value: _Value, *, remedy: str = "") -> _Value:
    """A finite number of at least 0; see `finite`.

    Example:
        >>> not_negative("weight_decay", -1e-4)
        Traceback (most recent call last):
        ValueError: `weight_decay` must be a finite number of at least 0, got -0.0001
    """
    return finite(name, value, at_least=0, remedy=remedy)


def whole(
    name: str,
    value: _Value,
    *,
    at_least: int | None = 1,
    at_most: int | None = None,
    remedy: str = "",
) -> _Value:
    """A whole number within bounds.

    Args:
        name: of the argument.
        value: an int, numpy's too; no bool, and no float even if it is whole.
        at_least: it must be this or larger; ``None`` for no bound.
        at_most: it must be this or smaller.
        remedy: what to do otherwise.

    Raises:
        TypeError: if it is no whole number by its type.
        ValueError: if it is outside the bounds.

    Example:
        >>> whole("queue_size", 10.5)
        Traceback (most recent call last):
        TypeError: `queue_size` must be a whole number of at least 1, got 10.5
    """
    bounds = [("of at least", at_least), ("at most", at_most)]
    limits = [f"{word} {bound}" for word, bound in bounds if bound is not None]
    rule = "a whole number" + (f" {' and '.join(limits)}" if limits else "")
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        refuse(name, rule, value, remedy, kind=TypeError)
    number = int(value)
    if (at_least is not None and number < at_least) or (at_most is not None and number > at_most):
        refuse(name, rule, value, remedy)
    return value


def count(name: str, value: _Value, *, remedy: str = "") -> _Value:
    """A whole number of at least 0; see `whole`.

    Example:
        >>> count("seed", -1)
        Traceback (most recent call last):
        ValueError: `seed` must be a whole number of at least 0, got -1
    """
    return whole(name, value, at_least=0, remedy=remedy)
