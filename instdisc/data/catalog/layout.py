"""Checks that files lie where a set's official layout has them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..images.columns import read_columns
from ..images.listing import is_clutter, leaves_folder
from ..images.text import read_lines


class LayoutError(ValueError):
    """Files are missing or are not what they should be; says which, without a full stop."""


def contents(folder: Path, most: int = 10) -> str:
    """The names of a folder's first entries, folders with a slash, for a message."""
    entries = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    if not entries:
        return "nothing"
    rest = f", ... ({len(entries)} in all)" if len(entries) > most else ""
    return ", ".join(entries[:most]) + rest


def inside(root: Path, name: str) -> Path:
    """The archive's own folder, whether `root` holds it or is it."""
    return root / name if (root / name).is_dir() else root


def first_folder(root: Path, names: Iterable[str]) -> Path:
    """The first of several folders that is there.

    Raises:
        LayoutError: if there is none of them.
    """
    names = list(names)
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise LayoutError(f"there is no folder {'/ or '.join(names)}/")


def first_file(root: Path, names: Iterable[str]) -> str:
    """The first of several files that is there.

    Raises:
        LayoutError: if there is none of them.
    """
    names = list(names)
    for name in names:
        if (root / name).is_file():
            return name
    raise LayoutError(f"there is no file {' or '.join(names)}")


def require_folder(root: Path, name: str) -> Path:
    """A folder below the root.

    Raises:
        LayoutError: if there is none.
    """
    if not (root / name).is_dir():
        raise LayoutError(f"there is no folder {name}/")
    return root / name


def require_class_folders(root: Path, name: str, count: int) -> Path:
    """A folder below the root that holds so many class folders.

    Raises:
        LayoutError: if it is not there, or holds another number of them.
    """
    folder = require_folder(root, name)
    folders = class_folders(folder)
    if len(folders) != count:
        raise LayoutError(
            f"{name}/ holds {len(folders)} class folders instead of {count} ({contents(folder, 3)})"
        )
    return folder


def class_folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted; clutter (`is_clutter`) is passed over."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name for entry in entries if entry.is_dir() and not is_clutter(entry.name)
        )


def require_files(folder: Path, paths: Iterable[str], listed_in: str) -> None:
    """Checks that listed files exist, with one look into each folder, and that none comes twice.

    None may lead out of the folder.

    Args:
        folder: where they lie.
        paths: relative to it.
        listed_in: what names them, for the message.

    Raises:
        LayoutError: if one is missing, comes twice, leads out of the folder, or is no text.
    """
    present: dict[str, set[str]] = {}
    missing = []
    seen: set[str] = set()
    for path in paths:
        if not isinstance(path, str) or leaves_folder(path):
            raise LayoutError(
                f"{listed_in} names the image {path!r}, which is no path below {folder.name}/"
            )
        if path in seen:
            raise LayoutError(f"{listed_in} names the image {path} twice")
        seen.add(path)
        place, name = os.path.split(path)
        if place not in present:
            inner = folder / place
            present[place] = set(os.listdir(inner)) if inner.is_dir() else set()
        if name not in present[place]:
            missing.append(path)
    if missing:
        raise LayoutError(
            f"{len(missing)} of the images that {listed_in} names are not in {folder.name}/, "
            f"{missing[0]} first"
        )


def read_rows(root: Path, name: str, num_columns: int) -> Iterator[list[str]]:
    """The rows of a text file, in columns parted by spaces; empty lines are passed over.

    Raises:
        LayoutError: if the file is missing or not in UTF-8, or a row has another number of columns.
    """
    for number, line in numbered_lines(root, name):
        row = line.split()
        if len(row) != num_columns:
            raise LayoutError(
                f"line {number} of {name} has {len(row)} columns instead of {num_columns}: "
                f"{line[:60]!r}"
            )
        yield row


def read_pairs(root: Path, name: str) -> dict[str, str]:
    """The rows of a text file of two columns: the first, an image, to the second.

    Raises:
        LayoutError: as `read_rows`, or if an image comes twice.
    """
    pairs: dict[str, str] = {}
    for image, value in read_rows(root, name, 2):
        if image in pairs:
            raise LayoutError(f"{name} names the image {image} twice")
        pairs[image] = value
    return pairs


def numbered_lines(root: Path, name: str) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers; empty lines are passed over.

    Raises:
        LayoutError: if the file is missing or not in UTF-8.
    """
    if not (root / name).is_file():
        raise LayoutError(f"there is no file {name}")
    try:
        yield from read_lines(root / name)
    except ValueError as error:
        raise LayoutError(str(error).removesuffix(".")) from error


def read_csv(root: Path, name: str, columns: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The line and the values of some columns of each row of a CSV file.

    Raises:
        LayoutError: if the file or a column is missing, or a row has another number of columns.
    """
    first_file(root, [name])
    try:
        yield from read_columns(root / name, columns)
    except ValueError as error:
        raise LayoutError(str(error)) from error
