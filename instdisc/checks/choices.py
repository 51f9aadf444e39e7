"""Values that are no numbers: a choice, a flag, a text, an object of a class, a device."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, TypeVar

import numpy as np
import torch

from .form import refuse

_Value = TypeVar("_Value")


def choice(name: str, value: _Value, options: Collection[Any], *, remedy: str = "") -> _Value:
    """One of some values.

    Args:
        name: of the argument.
        value: what was given.
        options: the allowed values.
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


def flag(name: str, value: _Value, *, remedy: str = "") -> _Value:
    """True or False; no text and no number that could stand for one.

    Raises:
        TypeError: if it is anything else.

    Example:
        >>> flag("compile", "yes")
        Traceback (most recent call last):
        TypeError: `compile` must be True or False, got 'yes'
    """
    return instance(name, value, (bool, np.bool_), "True or False", remedy=remedy)


def text(name: str, value: _Value, *, remedy: str = "") -> _Value:
    """A text that is not empty.

    Raises:
        TypeError: if it is no text.
        ValueError: if it is empty.

    Example:
        >>> text("name", "")
        Traceback (most recent call last):
        ValueError: `name` must be a text of at least one character, got ''
    """
    instance(name, value, str, "a text", remedy=remedy)
    if value == "":
        refuse(name, "a text of at least one character", value, remedy)
    return value


def filled(name: str, value: _Value, *, remedy: str = "") -> _Value:
    """A list or another collection of at least one entry; no text, which is one itself.

    Raises:
        TypeError: if it is no collection.
        ValueError: if it is empty.

    Example:
        >>> filled("shots", [])
        Traceback (most recent call last):
        ValueError: `shots` must be a list of at least one, got []
    """
    if isinstance(value, str | bytes) or not isinstance(value, Collection):
        refuse(name, "a list of at least one", value, remedy, kind=TypeError)
    if not len(value):
        refuse(name, "a list of at least one", value, remedy)
    return value


def device(name: str, value: str | torch.device) -> torch.device:
    """A device that this machine has; for where it is about to be used.

    Args:
        name: of the argument.
        value: e.g. ``"cpu"``, ``"cuda"``, ``"cuda:1"``.

    Raises:
        TypeError: if it is neither a text nor a device.
        ValueError: if torch does not know it, or this machine has none.

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
        chosen = torch.device(value)
    except RuntimeError:
        refuse(name, rule, value, "Did you mean 'cuda'?" if "gpu" in str(value).lower() else "")
    count = _device_count(chosen.type)
    if count is not None and (chosen.index or 0) >= count:
        have = f"{count} of them here" if count else "none here"
        remedy = f"Take a lower number, or '{chosen.type}'." if count else "Take 'cpu'."
        refuse(name, "a device of this machine", str(value), f"torch sees {have}. {remedy}")
    return chosen


def _device_count(kind: str) -> int | None:
    """How many devices of a kind torch computes on: none on "meta"; ``None`` on the CPU, any."""
    if kind == "cpu":
        return None
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    module: Any = getattr(torch, kind, None)
    return int(module.device_count()) if hasattr(module, "device_count") else 0


def _equal(value: object, option: object) -> bool:
    return type(value) is type(option) and value == option
