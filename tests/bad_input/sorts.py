"""What sort of value an argument takes, and which values are bad for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

NAN, INF = float("nan"), float("inf")


class Bad(NamedTuple):
    """A value that must be refused.

    Attributes:
        kind: of the fault, e.g. "nan".
        make: the value, made anew in each case from the good one.
    """

    kind: str
    make: Callable[[Any], Any]


class Sort(NamedTuple):
    """What an argument takes.

    Attributes:
        bad: values that it does not take.
        optional: whether None is legitimate.
    """

    bad: tuple[Bad, ...]
    optional: bool = False

    def cases(self) -> list[Bad]:
        """All bad values, None among them where it is one."""
        return [*self.bad, *([] if self.optional else [Bad("None", lambda good: None)])]

    def without(self, *kinds: str) -> Sort:
        """The sort where these kinds of values are legitimate."""
        assert set(kinds) <= {bad.kind for bad in self.bad}, kinds
        return self._replace(bad=tuple(bad for bad in self.bad if bad.kind not in kinds))

    def also(self, **values: Any) -> Sort:
        """The sort with more bad values; a function makes its value from the good one."""
        more = tuple(Bad(kind, _maker(value)) for kind, value in values.items())
        return self._replace(bad=self.bad + more)


def optional(sort: Sort) -> Sort:
    """None is legitimate, too."""
    return sort._replace(optional=True)


def _maker(value: Any) -> Callable[[Any], Any]:
    return value if callable(value) else lambda good: value


def _values(**values: Any) -> tuple[Bad, ...]:
    return tuple(Bad(kind, _maker(value)) for kind, value in values.items())


class Thing:
    """An object of a class that nobody asks for."""


_WRONG = _values(object=lambda good: Thing(), list=[[]], mapping=lambda good: {"a": 1})


def number(
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> Sort:
    """A finite number within bounds."""
    bad = _values(nan=NAN, inf=INF, minus_inf=-INF, text="0.2", flag=True) + _WRONG
    if above is not None:
        bad += _values(bound=above, below=above - 1)
    if at_least is not None:
        bad += _values(below=at_least - 0.5)
    if below is not None:
        bad += _values(upper_bound=below, beyond=below + 1)
    if at_most is not None:
        bad += _values(beyond=at_most + 0.5)
    return Sort(bad)


POSITIVE = number(above=0)
NOT_NEGATIVE = number(at_least=0)
SHARE = number(at_least=0, at_most=1)


def whole(at_least: int | None = 1, at_most: int | None = None) -> Sort:
    """A whole number within bounds."""
    bad = _values(nan=NAN, inf=INF, fraction=10.5, whole_float=8.0, text="8", flag=True) + _WRONG
    if at_least is not None:
        bad += _values(below=at_least - 1, far_below=at_least - 100)
    if at_most is not None:
        bad += _values(beyond=at_most + 1)
    return Sort(bad)


FLAG = Sort(_values(text="yes", number=2, nan=NAN) + _WRONG)
TEXT = Sort(_values(number=3, nan=NAN, flag=True) + _WRONG)
PATH = TEXT
FUNCTION = Sort(_values(text="f", number=3) + _WRONG)


def choice(near: str = "none-such") -> Sort:
    """One of some texts."""
    return Sort(_values(unlisted=near, empty="", number=3, flag=True) + _WRONG)


CHOICE = choice()


def an_object() -> Sort:
    """An object of a class."""
    return Sort(
        _values(number=3, text="text", nan=NAN, tensor=lambda good: torch.zeros(2)) + _WRONG
    )


OBJECT = an_object()


def sequence(item: Sort, *, empty: bool = False) -> Sort:
    """Several of a sort: each bad item among good ones, and what is no sequence.

    Args:
        item: of each.
        empty: whether none at all is legitimate.
    """
    bad = _values(number=3, object=lambda good: Thing())
    bad += () if empty else _values(empty=[])
    bad += tuple(
        Bad(f"item_{each.kind}", lambda good, make=each.make: _with_bad_item(good, make))
        for each in item.cases()
    )
    return Sort(bad)


def _with_bad_item(good: Any, make: Callable[[Any], Any]) -> list[Any]:
    items = list(good) if isinstance(good, list | tuple) else [good]
    return [*items[:-1], make(items[-1] if items else None)]


def tensor(
    dtype: torch.dtype = torch.float32,
    *,
    finite: bool = False,
    empty: bool = False,
    other: Sequence[torch.dtype] = (),
    ndim: bool = True,
) -> Sort:
    """A tensor like the good one.

    Args:
        dtype: floating-point (then whole numbers are bad) or whole (then fractions are).
        finite: whether NaN in it must be refused.
        empty: whether no rows are legitimate.
        other: dtypes that are bad although of the same kind.
        ndim: whether another number of dimensions is bad.
    """
    bad = _values(text="text", number=3, object=lambda good: Thing(), mapping={"a": 1})
    if ndim:
        bad += _values(more_dimensions=lambda good: good[..., None])
        bad += _values(scalar=lambda good: good.flatten()[0])
    if not empty:
        bad += _values(empty=lambda good: good[:0])
    if dtype.is_floating_point:
        bad += _values(uint8=lambda good: good.byte(), int64=lambda good: good.long())
    elif dtype != torch.bool:
        bad += _values(float=lambda good: good.float(), half_float=lambda good: good.double())
    if finite:
        bad += _values(
            nan_inside=lambda good: _spoil(good, NAN), inf_inside=lambda good: _spoil(good, INF)
        )
    for each in other:
        bad += _values(**{str(each).removeprefix("torch."): lambda good, to=each: good.to(to)})
    return Sort(bad)


LABELS = tensor(torch.int64)


def _spoil(good: torch.Tensor, value: float) -> torch.Tensor:
    spoiled = good.clone()
    spoiled.view(-1)[0] = value
    return spoiled
