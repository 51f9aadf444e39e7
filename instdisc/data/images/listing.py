"""What lies in a folder, without what operating systems leave there."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

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


def leaves_folder(path: str) -> bool:
    r"""Whether a path that a file names leads out of the folder that it should be relative to.

    Its text alone decides, with the separators of Windows too; a link in the folder may lead
    anywhere, since who made it meant it.

    Example:
        >>> [path for path in ("a/../1.png", "../1.png", "/1.png", r"..\1.png", r"C:\1.png")
        ...  if not leaves_folder(path)]
        ['a/../1.png']
    """
    plain = path.replace("\\", "/")
    if PurePosixPath(plain).is_absolute() or PureWindowsPath(plain).is_absolute():
        return True
    return posixpath.normpath(plain).split("/")[0] == ".."


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
