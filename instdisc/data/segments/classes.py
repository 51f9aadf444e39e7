"""Which classes a set of masks has: by the file that names them, or by the ids that occur."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from instdisc.checks import refuse
from instdisc.types import IGNORED_CLASS

from ..images.text import read_lines
from ..left_out import say_once
from .ids import decode_ids
from .source import MOST_CLASSES

CLASSES_FILE = "classes.txt"
_IGNORED = "ignored"


class Classes(NamedTuple):
    """Names of classes and their values in masks.

    Attributes:
        names: of the C classes.
        ids: class of each id, 255 for an ignored one; ``None`` if ids are classes.
    """

    names: list[str]
    ids: dict[int, int] | None


def read_classes(file: str | Path) -> Classes:
    r"""The classes that a text file names, one on each line.

    ================================  ============================================================
    line                              what it says
    ================================  ============================================================
    ``lesion``                        a class; its id is the line's number, counted from 0
    ``lesion = 255``                  a class whose id in the masks is 255
    ``vehicle = 3, 4``                a class with two ids
    ``ignored = 0, 11``               no class: pixels of these ids are ignored
    ================================  ============================================================

    Id 255 is ignored unless a line gives it to a class. Empty lines do not count.

    Args:
        file: see `read_text` for its encoding.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is in another encoding, a name or an id comes twice, or the number of
            classes does not fit; names file and line.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "classes.txt"
        >>> _ = file.write_text("background\nlesion = 255\n")
        >>> read_classes(file)
        Classes(names=['background', 'lesion'], ids={255: 1, 0: 0})
    """
    path = Path(file)
    if not path.is_file():
        refuse(
            "classes",
            "names, or a text file with one on each line",
            str(path),
            kind=FileNotFoundError,
        )
    names: list[str] = []
    lines: dict[str, int] = {}
    ids = {IGNORED_CLASS: IGNORED_CLASS}
    line_of_id: dict[int, int] = {}  # the line that says what an id is
    plain = True
    for number, line in read_lines(path):
        name, values = _parse(line)
        if not name:
            continue
        if name in lines:
            raise ValueError(
                f"{path} must name each class once, got {name!r} in lines {lines[name]} and "
                f"{number}. Give a class with several ids one line: `{name} = 1, 2`."
            )
        lines[name] = number
        ignored = name == _IGNORED and values is not None
        to = IGNORED_CLASS if ignored else len(names)
        if not ignored:
            names.append(name)
        plain = plain and values is None
        for value in [to] if values is None else values:
            if value in line_of_id:
                raise ValueError(
                    f"{path} must give each id once, got {value} in lines {line_of_id[value]} and "
                    f"{number}. A line without an id has its place, from 0: write `NAME = ID`."
                )
            line_of_id[value] = number
            ids[value] = to
    if not 2 <= len(names) <= MOST_CLASSES:
        raise ValueError(
            f"{path} must name 2 to {MOST_CLASSES} classes, one on each line, got {len(names)}. "
            "What belongs to no other class is one too: `background`."
        )
    return Classes(names, None if plain else ids)


def find_classes(masks: Sequence[Path], whose: str, *, skip: bool = False) -> Classes:
    """The classes of masks that come without names: the ids that occur, 255 ignored.

    Args:
        masks: all masks of the set.
        whose: the set, for messages.
        skip: whether a mask that cannot be read will be skipped later; it has no ids here.

    Raises:
        ValueError: if a mask cannot be read, there are fewer than 2 ids or more than 254, or they
            are 0 and 255 alone: then 255 can be a class as well.
    """
    occurs = np.zeros(2**16, dtype=bool)
    for path in masks:
        try:
            occurs[decode_ids(path)] = True
        except ValueError:
            if not skip:
                raise
    values = np.flatnonzero(occurs).tolist()
    named = [value for value in values if value != IGNORED_CLASS]
    if IGNORED_CLASS in values and len(named) < 2:
        rest = named[0] if named else 0
        raise ValueError(
            f"{whose} must say what {IGNORED_CLASS} is in its masks, which hold "
            f"{' and '.join(map(str, values))} alone: as a rule it is ignored. Add "
            f"{CLASSES_FILE}, e.g. with the lines `background = {rest}` and `object = "
            f"{IGNORED_CLASS}`."
        )
    if not 2 <= len(named) <= MOST_CLASSES:
        raise ValueError(
            f"{whose} must have {CLASSES_FILE}, or masks with 2 to {MOST_CLASSES} ids, got "
            f"{len(named)} in {len(masks)} masks ({', '.join(map(str, named[:5]))}"
            f"{', ...' if len(named) > 5 else ''}). Are they masks?"
        )
    say_once(
        f"{whose} has no {CLASSES_FILE}: its {len(named)} classes are the ids in its masks, "
        f"'class {named[0]}' to 'class {named[-1]}'"
        + f"; {IGNORED_CLASS} is ignored"
        * (IGNORED_CLASS in values)
    )
    ids = {value: index for index, value in enumerate(named)}
    return Classes([f"class {value}" for value in named], {**ids, IGNORED_CLASS: IGNORED_CLASS})


def _parse(line: str) -> tuple[str, list[int] | None]:
    """The name, and the ids behind ``=``; a name may hold ``=`` itself."""
    name, separator, text = line.rpartition("=")
    values = [value.strip() for value in text.split(",")]
    if separator and name.strip() and all(value.isdecimal() for value in values):
        return name.strip(), [int(value) for value in values]
    return line.strip(), None
