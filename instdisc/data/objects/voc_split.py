"""The lists of images in ``ImageSets/Main``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ..catalog.layout import contents
from ..images.files import SUFFIXES
from ..images.text import read_text
from .reporting import report

_MARKS = ("-1", "0", "1")


def split_file(root: Path, split: str) -> Path:
    """Where a split is listed."""
    return root / "ImageSets" / "Main" / f"{split}.txt"


def read_split(root: Path, split: str, known: Collection[str]) -> list[str]:
    """The names of the images of a split, one on each line.

    A line may hold the file of the image, with a folder before it, and a second column 1, 0 or -1,
    as VOC's lists of one class do: all their images are taken. An image that is named twice
    counts once. The log counts the last two.

    Args:
        root: the folder of the set.
        split: name of the file without its ending.
        known: names of the annotations.

    Raises:
        ValueError: if there is no such list, or it is no text in UTF-8.
    """
    file = split_file(root, split)
    if not file.is_file():
        there = contents(file.parent) if file.parent.is_dir() else "no such folder"
        raise ValueError(
            f"`split` must be a file in {file.parent} or None for all images, got {split!r}; "
            f"found {there}"
        )
    names: dict[str, None] = {}
    marked, twice = [], []
    lines = [line.strip() for line in read_text(file).split("\n")]
    for row, line in enumerate(lines):
        if not line:
            continue
        name, mark = _name(line, known)
        if mark:
            marked.append(row)
        if name in names:
            twice.append(row)
        names[name] = None

    def describe(row: int) -> str:
        return f"line {row + 1}, {lines[row]!r}"

    report(
        marked,
        f"{file}: %d lines have a second column, which is passed over: all images are taken, "
        "first: ",
        describe,
        most=1,
    )
    report(
        twice,
        f"{file}: %d lines name an image again, which counts once, first: ",
        describe,
        most=1,
    )
    return list(names)


def _name(line: str, known: Collection[str]) -> tuple[str, bool]:
    """The annotation that a line means, and whether a second column was passed over."""
    if line in known:  # names may hold spaces and dots
        return line, False
    first, _, last = line.rpartition(" ") if " " in line else line.rpartition("\t")
    marked = last.strip() in _MARKS and bool(first.strip())
    text = (first if marked else line).strip()
    plain = text.replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = plain.rpartition(".")
    if f"{dot}{suffix}".lower() not in {*SUFFIXES, ".xml"}:
        stem = plain
    for name in (text, plain, stem):
        if name in known:
            return name, marked
    return text, marked
