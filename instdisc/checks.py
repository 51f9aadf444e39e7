"""What arguments must be, and the one form in which they are refused.

Every check takes the name by which the user gave the value, returns the value, and raises a
TypeError where it is of the wrong kind, a ValueError where it is out of range:
"`NAME` must be RULE, got VALUE. REMEDY".

Legend: N rows.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

import torch
from torch import Tensor

_Value = TypeVar("_Value")
_SHOWN = 120  # characters of a value


def refuse(
    name: str, rule: str, value: object, remedy: str = "", *, kind: type[Exception] = ValueError
) -> NoReturn:
    """Raises the error that every check raises.

    Args:
        name: of the argument, as the user wrote it.
        rule: what it must be.
        value: what it is; a tensor is shown by its shape and dtype.
        remedy: what to do; a sentence.
        kind: of the error.

    Raises:
        Exception: always, of `kind`.

    Example:
        >>> refuse("k", "positive", -1, "Give the number of neighbours.")
        Traceback (most recent call last):
        ValueError: `k` must be positive, got -1. Give the number of neighbours.
    """
    raise kind(f"`{name}` must be {rule}, got {_shown(value)}" + (f". {remedy}" if remedy else ""))


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
    number = float(value)
    if (
        not math.isfinite(number)
        or (above is not None and not number > above)
        or (at_least is not None and not number >= at_least)
        or (below is not None and not number < below)
        or (at_most is not None and not number <= at_most)
    ):
        refuse(name, rule, value, remedy)
    return value


def positive(name: str, value: _Value, *, remedy: str = "") -> _Value:
    """A finite number above 0; see `finite`.

    Example:
        >>> positive("temperature", float("inf"))
        Traceback (most recent call last):
        ValueError: `temperature` must be a finite number above 0, got inf
    """
    return finite(name, value, above=0, remedy=remedy)


def share(name: str, value: _Value, *, zero: bool = True, remedy: str = "") -> _Value:
    """A number from 0 to 1.

    Args:
        name: of the argument.
        value: see `finite`.
        zero: whether 0 is allowed.
        remedy: what to do otherwise.

    Raises:
        TypeError, ValueError: see `finite`.

    Example:
        >>> share("flip", 1.5)
        Traceback (most recent call last):
        ValueError: `flip` must be a finite number of at least 0 and at most 1, got 1.5
    """
    if zero:
        return finite(name, value, at_least=0, at_most=1, remedy=remedy)
    return finite(name, value, above=0, at_most=1, remedy=remedy)


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


def choice(name: str, value: _Value, options: Collection[Any], *, remedy: str = "") -> _Value:
    """One of some values.

    Args:
        name: of the argument.
        value: what was given.
        options: what there is.
        remedy: what to do otherwise; by default the nearest option, if one is near.

    Raises:
        ValueError: if it is none of them.

    Example:
        >>> choice("norm", "plian", ["sync", "plain", "frozen"])
        Traceback (most recent call last):
        ValueError: `norm` must be one of 'sync', 'plain', 'frozen', got 'plian'. Did you mean
        'plain'?
    """
    options = list(options)
    if any(value is option or _equal(value, option) for option in options):
        return value
    if not remedy and isinstance(value, str):
        near = get_close_matches(value, [o for o in options if isinstance(o, str)], n=1)
        remedy = f"Did you mean {near[0]!r}?" if near else ""
    return refuse(name, f"one of {', '.join(map(repr, options))}", value, remedy)


def instance(
    name: str, value: _Value, kinds: type | tuple[type, ...], rule: str, *, remedy: str = ""
) -> _Value:
    """An object of a class.

    Args:
        name: of the argument.
        value: what was given.
        kinds: the class, or several.
        rule: the class in words, e.g. ``"a Backbone"``.
        remedy: what to do otherwise.

    Raises:
        TypeError: if it is none of these.

    Example:
        >>> instance("path", 3, str, "a path")
        Traceback (most recent call last):
        TypeError: `path` must be a path, got 3
    """
    if not isinstance(value, kinds):
        refuse(name, rule, value, remedy, kind=TypeError)
    return value


def shape(
    name: str, value: Tensor, sizes: Sequence[int | str | None], *, remedy: str = ""
) -> Tensor:
    """A tensor of a shape.

    Args:
        name: of the argument.
        value: the tensor.
        sizes: of each dimension: a number, or a letter or ``None`` for any. The same letter twice
            means the same size twice.
        remedy: what to do otherwise.

    Raises:
        TypeError: if it is no tensor.
        ValueError: if it has another shape.

    Example:
        >>> shape("images", torch.zeros(2, 1, 8, 8), ("B", 3, "H", "W"))
        Traceback (most recent call last):
        ValueError: `images` must be a tensor (B, 3, H, W), got (2, 1, 8, 8) torch.float32
    """
    letters = ", ".join("*" if size is None else str(size) for size in sizes)
    rule = f"a tensor ({letters}{',' if len(sizes) == 1 else ''})"
    if not isinstance(value, Tensor):
        refuse(name, rule, value, remedy, kind=TypeError)
    named: dict[str, int] = {}
    fits = value.ndim == len(sizes) and all(
        size is None
        or (named.setdefault(size, actual) == actual if isinstance(size, str) else size == actual)
        for size, actual in zip(sizes, value.shape, strict=True)
    )
    if not fits:
        refuse(name, rule, value, remedy)
    return value


def dtype(
    name: str, value: Tensor, kinds: torch.dtype | Sequence[torch.dtype], *, remedy: str = ""
) -> Tensor:
    """A tensor of a dtype, or of one of several.

    Args:
        name: of the argument.
        value: the tensor.
        kinds: what it may be; see `FLOATS`.
        remedy: what to do otherwise.

    Raises:
        TypeError: if it is no tensor, or of another dtype.

    Example:
        >>> dtype("labels", torch.zeros(2), torch.int64)
        Traceback (most recent call last):
        TypeError: `labels` must be of torch.int64, got (2,) torch.float32
    """
    allowed = [kinds] if isinstance(kinds, torch.dtype) else list(kinds)
    rule = f"of {' or '.join(map(str, allowed))}"
    if not isinstance(value, Tensor):
        refuse(name, f"a tensor {rule}", value, remedy, kind=TypeError)
    if value.dtype not in allowed:
        refuse(name, rule, value, remedy, kind=TypeError)
    return value


FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def all_finite(name: str, value: Tensor, *, row: str = "row", remedy: str = "") -> Tensor:
    """A tensor without NaN and infinity.

    Args:
        name: of the argument.
        value: the tensor; its first dimension counts what `row` names.
        row: what a row is, e.g. ``"image"``.
        remedy: what to do otherwise.

    Raises:
        ValueError: if a number is not finite; names the first row.

    Example:
        >>> all_finite("features", torch.tensor([[1.0], [float("nan")]]), row="image")
        Traceback (most recent call last):
        ValueError: `features` must be finite, got nan in image 1
    """
    # One reduction over all; the row is looked for only if it failed.
    if bool(torch.isfinite(value).all()):
        return value
    rows = value.reshape(len(value), -1) if value.ndim else value.reshape(1, 1)
    bad = int((~torch.isfinite(rows)).any(1).nonzero()[0])
    culprit = rows[bad][~torch.isfinite(rows[bad])][0]
    tail = f". {remedy}" if remedy else ""
    raise ValueError(f"`{name}` must be finite, got {float(culprit)} in {row} {bad}{tail}")


def device(name: str, value: str | torch.device) -> torch.device:
    """A device that torch knows.

    Args:
        name: of the argument.
        value: e.g. ``"cpu"``, ``"cuda"``, ``"cuda:1"``.

    Raises:
        TypeError: if it is neither a text nor a device.
        ValueError: if torch does not know it.

    Example:
        >>> device("device", "gpu")
        Traceback (most recent call last):
        ValueError: `device` must be a device of torch such as 'cpu' or 'cuda:0', got 'gpu'. Did
        you mean 'cuda'?
    """
    rule = "a device of torch such as 'cpu' or 'cuda:0'"
    if not isinstance(value, str | torch.device):
        refuse(name, rule, value, kind=TypeError)
    try:
        return torch.device(value)
    except RuntimeError:
        refuse(name, rule, value, "Did you mean 'cuda'?" if "gpu" in str(value).lower() else "")


def _equal(value: object, option: object) -> bool:
    return type(value) is type(option) and value == option


def _shown(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {value.dtype}"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
