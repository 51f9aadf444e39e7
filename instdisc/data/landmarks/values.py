"""What the numbers in a table of points mean: pixels or shares, there or not there.

Legend: N images, P points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc.checks import refuse

from ..images.decoding import read_size

_EMPTY = ("", "nan", "na", "n/a", "null", "none")
_MOST_SHARE = 2.0  # further outside its image no point is annotated


class Missing(NamedTuple):
    """How a table writes that a point is not there.

    Attributes:
        pairs: x and y that stand for it.
        empty: whether empty cells and NaN do.
        said: whether the user said anything of it.
    """

    pairs: list[tuple[float, float]]
    empty: bool
    said: bool


def parse_missing(missing: str | Sequence[str] | None) -> Missing:
    """What the argument of `LandmarkTable` says.

    Raises:
        ValueError: if it is something else than ``"empty"`` and pairs of numbers.

    Example:
        >>> parse_missing(["0,0", "empty"])
        Missing(pairs=[(0.0, 0.0)], empty=True, said=True)
    """
    texts = [missing] if isinstance(missing, str) else list(missing or ())
    pairs, empty = [], False
    for text in texts:
        try:
            if text == "empty":
                empty = True
            else:
                x, y = (float(number) for number in text.split(","))
                pairs.append((x, y))
        except (ValueError, AttributeError):
            refuse("missing", "'empty' or a pair of numbers such as '0,0' or '-1,-1'", text)
    return Missing(pairs, empty, missing is not None)


def parse_number(column: str, text: str, where: str, missing: Missing) -> float:
    """The number in a cell; NaN for an empty one, if these are points that are not there.

    Raises:
        ValueError: if it is no finite number; names the line.
    """
    if text.lower() in _EMPTY:
        if missing.empty:
            return math.nan
        raise ValueError(
            f"{where}: the value of {column!r} is {repr(text) if text else 'missing'}. If this "
            "says that a point is not there, open the table with missing='empty'."
        )
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{where}: the value of {column!r} is {text!r}; it must be a number")
    return number


def check_values(
    points: Tensor, flags: Tensor, missing: Missing, unit: str | None, where: Sequence[str]
) -> Tensor:
    """Which points are there.

    Args:
        points: ``(N, P, 2)`` as they stand in the table; NaN for an empty cell.
        flags: ``(N, P)``: 0 says that a point is not there, 1 and 2 that it is; or ``(N, 0)``.
        missing: how the table writes that a point is not there.
        unit: ``"pixel"``, ``"share"`` or ``None`` for what was not said.
        where: ``(N,)`` the line of each, for messages.

    Returns:
        ``(N, P)`` bool.

    Raises:
        ValueError: if the numbers look like shares or like points that are not there, and neither
            was declared; or a point has but one of x and y; names the line.
    """
    empty = points.isnan()
    _refuse_rows(empty[..., 0] ^ empty[..., 1], where, "has an x without a y, or a y without an x")
    absent = empty.any(2)
    if flags.shape[1]:
        wrong = (flags != 0) & (flags != 1) & (flags != 2)
        _refuse_rows(wrong, where, "has no 0, 1 or 2 in a column of visibility")
        absent |= flags == 0
    for pair in missing.pairs:
        absent |= (points == points.new_tensor(pair)).all(2)
    there = ~absent
    if not missing.said:
        _refuse_rows(
            there & (points == 0).all(2),
            where,
            "has a point at 0,0. If this says that it is not there, open the table with "
            "missing='0,0'; if it is there, with missing=()",
        )
    inner = (points[there & (points >= 0).all(2)] <= 1).all(1)
    # Most are enough: a point beyond the right border is no share of 1 or less.
    if unit is None and 2 * int(inner.sum()) > len(inner):
        raise ValueError(
            f"{where[0]} and the others have {int(inner.sum())} of {len(inner)} points in 0 to 1, "
            "which look like shares of the image's width and height. Open the table with "
            "unit='share'; or with unit='pixel' if they are pixels."
        )
    if unit == "share":
        _refuse_rows(
            there & (points.abs() > _MOST_SHARE).any(2),
            where,
            "has a point far outside 0 to 1, which is no share of the image. Open the table with "
            "unit='pixel'",
        )
    return there


def image_sizes(root: Path, paths: Sequence[str], *, skip: bool) -> Tensor:
    """Width and height of each image from its header alone, ``(N, 2)`` float64.

    Args:
        root: the folder.
        paths: ``(N,)`` relative to it.
        skip: whether an image that cannot be read will be skipped later; it gets 1 x 1 here.

    Raises:
        ValueError: if one cannot be read; names the file.
    """
    sizes = []
    for path in paths:
        try:
            height, width = read_size(root / path)
            sizes.append((width, height))
        except ValueError as error:
            if skip:
                sizes.append((1, 1))
                continue
            raise ValueError(
                f"the points of {root / path} are shares of its size, which cannot be read "
                f"({error}). Repair it or leave it out."
            ) from error
    return torch.tensor(sizes, dtype=torch.float64)


def _refuse_rows(bad: Tensor, where: Sequence[str], what: str) -> None:
    rows = bad.any(1).nonzero()[:, 0]
    if len(rows):
        raise ValueError(f"{where[int(rows[0])]} {what} ({len(rows)} such rows).")
