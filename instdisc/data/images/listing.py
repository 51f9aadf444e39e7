"""What lies in a folder, without what operating systems leave there."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

# "._1.png" holds what macOS knows of 1.png, and "__MACOSX/" the same of a whole archive.
_LEFT_BY_SYSTEMS = {"__MACOSX", "Thumbs.db", "desktop.ini"}


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is no part of any set: hidden, or left by a system.

    Example:
        >>> [name for name in ("1.png", "._1.png", ".DS_Store", "__MACOSX") if is_clutter(name)]
        ['._1.png', '.DS_Store', '__MACOSX']
    """
    return name.startswith(".") or name in _LEFT_BY_SYSTEMS


def composed(name: str) -> str:
    """A name with its accents as one letter: macOS writes them apart.

    Example:
        >>> len("u\u0308"), len(composed("u\u0308"))
        (2, 1)
    """
    return unicodedata.normalize("NFC", name)


def walk_folder(folder: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder below one, itself first, with its files; links are followed, clutter's passed."""
    for path, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        yield path, files


def list_folder(folder: str | Path) -> list[Path]:
    """The files and folders in a folder, sorted; clutter is passed over.

    Args:
        folder: one that is not there holds nothing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return [folder / name for name in sorted(os.listdir(folder)) if not is_clutter(name)]


def matching(folder: str | Path, pattern: str) -> list[Path]:
    """What matches a pattern below a folder, sorted; clutter and what lies in it is passed over.

    Args:
        folder: where to look.
        pattern: of `pathlib.Path.glob`, e.g. ``"*/*_leftImg8bit.png"``.
    """
    folder = Path(folder)
    return sorted(
        path
        for path in folder.glob(pattern)
        if not any(is_clutter(part) for part in path.relative_to(folder).parts)
    )
