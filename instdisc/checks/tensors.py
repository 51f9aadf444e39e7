"""Tensors: shape, dtype, finite numbers.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .form import refuse

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


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
