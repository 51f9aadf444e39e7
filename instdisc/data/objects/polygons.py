"""The forms in which people write polygons into COCO's files."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

_NUMBERS = {int, float}
_FEWEST = 6  # numbers: three points enclose something


class Polygons(NamedTuple):
    """The polygons of one outline.

    Attributes:
        rings: each x, y, x, y, ... of at least three points.
        left_out: pieces of fewer points beside them, which enclose nothing.
    """

    rings: list[list[float]]
    left_out: int


def read_polygons(outline: list[Any]) -> Polygons:
    """Polygons as flat lists, as lists of pairs, nested once or not at all.

    ``[[x, y, x, y, x, y]]`` is COCO's own form; ``[x, y, x, y, x, y]``,
    ``[[x, y], [x, y], [x, y]]`` and ``[[[x, y], [x, y], [x, y]]]`` can mean nothing else than the
    same. Four numbers are a box or two points: they are refused, unless they stand beside a
    polygon.

    Raises:
        ValueError: if it is none of these, a number is missing or not finite, or no piece has
            three points; begins with "its".

    Example:
        >>> read_polygons([[1, 1], [3, 1], [3, 3]])
        Polygons(rings=[[1, 1, 3, 1, 3, 3]], left_out=0)
    """
    pieces = _pieces(outline)
    for piece in pieces:
        if not all_finite_numbers(piece):
            bad = next(value for value in piece if not all_finite_numbers([value]))
            raise ValueError(f"its outline must be of finite numbers, got {str(bad)[:60]!r}")
        if len(piece) % 2:
            raise ValueError(
                f"its outline must be of pairs x, y, got a polygon of {len(piece)} coordinates, an "
                "odd number"
            )
    rings = [piece for piece in pieces if len(piece) >= _FEWEST]
    if not rings:
        raise ValueError(
            f"its outline must have at least three points, got {str(outline)[:60]}; the corners of "
            "a box x, y, w, h are x, y, x + w, y, x + w, y + h, x, y + h"
        )
    return Polygons(rings, len(pieces) - len(rings))


def all_finite_numbers(values: list[Any]) -> bool:
    """Whether a list holds nothing else; a bool and a text are no numbers."""
    # As a set of types in one pass: a large set has 40 million coordinates.
    if not set(map(type, values)) <= _NUMBERS:
        return False
    try:
        return math.isfinite(sum(values))
    except OverflowError:  # a whole number of 309 digits
        return False


def is_blank(outline: Any) -> bool:
    """Whether there is no outline at all: null, ``[]``, ``{}``, ``[[]]``."""
    if isinstance(outline, list):
        return not outline or all(is_blank(piece) for piece in outline)
    return outline is None or outline == {}


def _pieces(node: list[Any]) -> list[list[Any]]:
    kinds = set(map(type, node))
    if list not in kinds:
        return [node] if node else []
    if kinds != {list}:
        raise ValueError(f"its outline must be a list of polygons, got {str(node)[:60]}")
    if all(len(child) == 2 and not isinstance(child[0], list) for child in node):
        return [[number for pair in node for number in pair]]
    return [piece for child in node for piece in _pieces(child)]
