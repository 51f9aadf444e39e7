"""Which columns of a table hold points, and in which order.

Legend: P points.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .layouts import LandmarkLayout

BOX = ("left", "top", "right", "bottom")
_FLAGS = ("visibility", "visible", "vis", "v")


class PointColumns(NamedTuple):
    """The columns of a table with points.

    Attributes:
        points: of each of the P points: what its two columns have in common, x, and y.
        box: the columns of the box, or none.
        visible: the column of each point that says whether it is there, or none.
        others: the rest.
    """

    points: list[tuple[str, str, str]]
    box: list[str]
    visible: list[str]
    others: list[str]


def point_columns(names: Sequence[str]) -> PointColumns:
    """Sorts the names of columns, in any order, into points, box and others.

    Two columns are a point if their names differ in an ``x`` and a ``y`` alone, and a third says
    whether it is there, with ``visible``, ``visibility``, ``vis`` or ``v`` in their place.

    Args:
        names: without the column of the image.

    Raises:
        ValueError: if there are no points, some columns of a box are missing, not
            every point has a column of visibility though one has, or a column that
            begins or ends with x or y has no partner.

    Example:
        >>> point_columns(["nose_y", "age", "nose_x"])
        PointColumns(points=[('nose_', 'nose_x', 'nose_y')], box=[], visible=[], others=['age'])
    """
    box = [name for name in BOX if name in names]
    if box and len(box) < len(BOX):
        raise ValueError(f"there must be all of the columns {BOX} or none, got {box}")
    places = {name.lower(): name for name in names if name not in BOX}
    points: list[tuple[str, str, str]] = []
    used: set[str] = set()
    for name in places:
        for at, letter in enumerate(name):
            partner = f"{name[:at]}y{name[at + 1 :]}"
            if letter == "x" and partner in places and not {name, partner} & used:
                used |= {name, partner}
                points.append((name[:at] + name[at + 1 :], places[name], places[partner]))
    flags = [_flag_of(stem, [name for name in places if name not in used]) for stem, _, _ in points]
    visible = [places[flag] for flag in flags if flag]
    if visible and len(visible) < len(points):
        raise ValueError(
            f"there must be a column of visibility for all points or none of the {len(points)}, "
            f"got {visible[0]!r} alone. Add the others, or name it in `ignore`"
        )
    used.update(flag for flag in flags if flag)
    others = [name for name in names if name not in BOX and name.lower() not in used]
    lone = [name for name in others if _looks_like_coordinate(name)]
    if lone:
        raise ValueError(
            f"there must be an x and a y of each point, got the column {lone[0]!r} without its "
            "partner. Give it one, or name it in `ignore` if it is no point"
        )
    if not points:
        raise ValueError("it has no columns of points, such as x0 and y0")
    return PointColumns(points, box, visible, others)


def order_points(stems: Sequence[str], layout: LandmarkLayout) -> list[int]:
    """The places of the points in the layout's order.

    By name, where the names of the columns are those of the layout (``left_eye``, ``lefteye`` and
    ``eye left`` are one name); else by number, where they are numbered; else as they stand.

    Args:
        stems: of the P points.
        layout: of P points.

    Example:
        >>> from instdisc.data import FACE_5
        >>> order_points(["nose_", "mouth_left", "mouth_right", "righteye", "lefteye"], FACE_5)
        [4, 3, 0, 1, 2]
        >>> order_points(["4", "3", "0", "1", "2"], FACE_5)
        [2, 3, 4, 1, 0]
    """
    letters = [_letters(stem) for stem in stems]
    wanted = [_letters(name) for name in layout.names]
    if len(set(letters)) == len(letters) and set(letters) == set(wanted):
        return [letters.index(name) for name in wanted]
    numbered = [re.fullmatch(r"(\D*)(\d+)(\D*)", stem) for stem in stems]
    parts = [match.groups() for match in numbered if match]
    if len(parts) == len(stems) and len({(before, after) for before, _, after in parts}) == 1:
        return sorted(range(len(stems)), key=lambda place: int(parts[place][1]))
    return list(range(len(stems)))


def _flag_of(stem: str, names: Sequence[str]) -> str | None:
    """The column that says whether a point is there: its name without the word is the point's."""

    def bare(text: str) -> str:
        return "".join(letter for letter in text if letter.isalnum())

    for name in names:
        if any(word in name and bare(name.replace(word, "", 1)) == bare(stem) for word in _FLAGS):
            return name
    return None


def _looks_like_coordinate(name: str) -> bool:
    bare = re.sub(r"[^a-z]", "", name.lower())
    return bare[:1] in ("x", "y") or bare[-1:] in ("x", "y")


def _letters(name: str) -> str:
    """The same for names that differ in case, separators and the order of their words."""
    return "".join(sorted(letter for letter in name.lower() if letter.isalnum()))
