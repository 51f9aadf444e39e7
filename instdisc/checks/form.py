"""The one form in which arguments are refused."""

from __future__ import annotations

from typing import NoReturn

from torch import Tensor

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


def _shown(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {value.dtype}"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
