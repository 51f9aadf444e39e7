"""What a type in a signature means for a value: which values fit, and how that is said."""

from __future__ import annotations

import collections.abc
import numbers
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Kind(NamedTuple):
    """The values of a type.

    Attributes:
        words: of a value, e.g. "a whole number".
        plural: of several, e.g. "whole numbers".
        fits: whether a value is of it.
        options: all of them where they are listed.
    """

    words: str
    plural: str
    fits: Callable[[Any], bool]
    options: tuple[Any, ...] = ()


def read_kinds(annotation: Any) -> list[Kind]:
    """The kinds that an annotation allows; a union allows those of its members.

    Args:
        annotation: as `typing.get_type_hints` gives it.

    Example:
        >>> [kind.words for kind in read_kinds(int | None)]
        ['a whole number', 'None']
        >>> (kind,) = read_kinds(tuple[float, float])
        >>> kind.words, kind.fits((0.2, 1)), kind.fits((0.2, "1"))
        ('2 numbers', True, False)
    """
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [kind for part in typing.get_args(annotation) for kind in read_kinds(part)]
    return [_read_kind(annotation)]


def join_words(kinds: list[Kind], plural: bool = False) -> str:
    """The kinds in words: "a text, a path or None"."""
    words = list(dict.fromkeys(kind.plural if plural else kind.words for kind in kinds))
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _read_kind(annotation: Any) -> Kind:
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if origin is typing.Literal:
        options = ", ".join(map(repr, parts))
        return Kind(
            f"one of {options}", f"of {options}", lambda value: _is_option(value, parts), parts
        )
    if origin is tuple and parts and parts[-1] is not Ellipsis:
        return _read_tuple(parts)
    if origin is collections.abc.Callable:
        return Kind("a function", "functions", callable)
    if origin is type:
        return Kind("a class", "classes", lambda value: isinstance(value, type))
    if origin in _SEQUENCES:
        return _read_sequence(read_kinds(parts[0]) if parts else [_ANY])
    if origin is not None and isinstance(origin, type):  # a Mapping, an Iterable
        return _read_class(origin)
    if isinstance(annotation, type) and not getattr(annotation, "_is_protocol", False):
        return _read_class(annotation)
    return _ANY


def _read_class(kind: type) -> Kind:
    name = "mapping" if kind in (collections.abc.Mapping, dict) else kind.__name__
    wanted = collections.abc.Mapping if name == "mapping" else kind
    article = "an" if name[0] in "AEIOaeio" else "a"
    return Kind(
        f"{article} {name}",
        f"{name} objects",
        lambda value: isinstance(value, wanted) and not isinstance(value, str | bytes),
    )


def _read_tuple(parts: tuple[Any, ...]) -> Kind:
    members = [read_kinds(part) for part in parts]
    words = join_words([kind for kinds in members for kind in kinds], plural=True)

    def fits(value: Any) -> bool:
        return (
            _is_sequence(value)
            and len(value) == len(members)
            and all(_fits(item, kinds) for item, kinds in zip(value, members, strict=True))
        )

    return Kind(f"{len(parts)} {words}", f"groups of {len(parts)} {words}", fits)


def _read_sequence(members: list[Kind]) -> Kind:
    words = join_words(members, plural=True)

    def fits(value: Any) -> bool:
        return _is_sequence(value) and all(_fits(item, members) for item in _items(value))

    return Kind(f"a sequence of {words}", f"sequences of {words}", fits)


def _items(values: Any) -> Iterator[Any]:
    # The numbers of an array are of one type: the first stands for all.
    return iter(values[:1] if isinstance(values, np.ndarray | range) else values)


def _fits(value: Any, kinds: list[Kind]) -> bool:
    return any(kind.fits(value) for kind in kinds)


def _is_sequence(value: Any) -> bool:
    if isinstance(value, str | bytes):
        return False
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, collections.abc.Sequence)


def _is_option(value: Any, options: tuple[Any, ...]) -> bool:
    return any(type(value) is type(option) and value == option for option in options)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


_ANY = Kind("any value", "values", lambda value: True)
_SEQUENCES = (collections.abc.Sequence, list, tuple)
_PLAIN: dict[Any, Kind] = {
    bool: Kind("True or False", "flags", lambda value: isinstance(value, bool | np.bool_)),
    int: Kind("a whole number", "whole numbers", _is_whole),
    float: Kind("a number", "numbers", _is_number),
    str: Kind("a text", "texts", lambda value: isinstance(value, str)),
    type(None): Kind("None", "None", lambda value: value is None),
    Tensor: Kind("a tensor", "tensors", lambda value: isinstance(value, Tensor)),
    torch.dtype: Kind("a dtype of torch", "dtypes", lambda value: isinstance(value, torch.dtype)),
    np.ndarray: Kind("an array", "arrays", lambda value: isinstance(value, np.ndarray)),
    Any: _ANY,
    object: _ANY,
    tuple: _read_sequence([_ANY]),
    list: _read_sequence([_ANY]),
}
