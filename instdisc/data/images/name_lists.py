"""Text files that name images, one on each line, as VOC's ``ImageSets`` do."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ..left_out import say_left_out
from .files import SUFFIXES
from .listing import composed, leaves_folder
from .text import read_lines

_MARKS = ("-1", "0", "1")


def read_names(file: Path, stems: Collection[str]) -> list[str]:
    """The names of the images that a file lists.

    A line may hold the file of the image, with a folder before it, and a second column 1, 0 or -1,
    as VOC's lists of one class do: all their images are taken. An image that is named twice
    counts once. The log counts the last two.

    Args:
        file: see `read_text` for its encoding.
        stems: names of the annotated images, without suffix.

    Returns:
        As they are written in `stems`; of a name that is not there, as it is written in the file.

    Raises:
        ValueError: if it is no text in UTF-8, names none, or leads out of the folder.
    """
    names: dict[str, None] = {}
    marked, twice = [], []
    lines = dict(read_lines(file))
    present = {composed(name): name for name in stems}
    for number, line in lines.items():
        name, mark = _name(composed(line), present)
        if name not in present and leaves_folder(name):
            raise ValueError(
                f"line {number} of {file} names {name!r}, which is no name of an image"
            )
        if mark:
            marked.append(number)
        if name in names:
            twice.append(number)
        names[name] = None
    if not names:
        raise ValueError(f"{file} must name at least one image, one on each line")
    for rows, text in (
        (marked, "have a second column, which is passed over: all images are taken"),
        (twice, "name an image again, which counts once"),
    ):
        say_left_out(
            rows, f"{file}: %d lines {text}, first: ", lambda row: f"line {row}, {lines[row]!r}"
        )
    return list(names)


def _name(line: str, present: dict[str, str]) -> tuple[str, bool]:
    """The annotation that a line means, and whether a second column was passed over."""
    if line in present:  # names may hold spaces and dots
        return present[line], False
    first, _, last = line.rpartition(" ") if " " in line else line.rpartition("\t")
    marked = last.strip() in _MARKS and bool(first.strip())
    text = (first if marked else line).strip()
    plain = text.replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = plain.rpartition(".")
    if f"{dot}{suffix}".lower() not in {*SUFFIXES, ".xml"}:
        stem = plain
    for name in (text, plain, stem):
        if name in present:
            return present[name], marked
    return text, marked
