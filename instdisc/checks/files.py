"""Files that a function reads or writes, looked at before it works."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .form import refuse


def input_file(name: str, value: Any) -> Path:
    """A file that is there.

    Raises:
        TypeError: if it is no path.
        ValueError: if it is a folder.
        FileNotFoundError: if there is no such file.

    Example:
        >>> input_file("path", "/")
        Traceback (most recent call last):
        ValueError: `path` must be a file, which a folder is not, got '/'
    """
    path = _path(name, value)
    if path.is_dir():
        refuse(name, "a file, which a folder is not", str(path))
    if not path.exists():
        refuse(name, "a file that is there", str(path), kind=FileNotFoundError)
    return path


def input_folder(name: str, value: Any) -> Path:
    """A folder that is there.

    Raises:
        TypeError: if it is no path.
        ValueError: if it is a file.
        FileNotFoundError: if there is no such folder.

    Example:
        >>> input_folder("root", "not/there")
        Traceback (most recent call last):
        FileNotFoundError: `root` must be a folder that is there, got 'not/there'
    """
    path = _path(name, value)
    if path.is_file():
        refuse(name, "a folder, which a file is not", str(path))
    if not path.exists():
        refuse(name, "a folder that is there", str(path), kind=FileNotFoundError)
    return path


def output_file(name: str, value: Any, suffixes: Sequence[str] = ()) -> Path:
    """A file that can be written; its folder need not be there.

    Args:
        name: of the argument.
        value: the path.
        suffixes: that it may have, e.g. ``".npz"``; none: whichever.

    Raises:
        TypeError: if it is no path.
        ValueError: if it is a folder, its suffix is another, or a file stands where its folder
            must be.

    Example:
        >>> output_file("arrays", "a.txt", [".npz"])
        Traceback (most recent call last):
        ValueError: `arrays` must be a file .npz, got 'a.txt'
    """
    path = _path(name, value)
    if suffixes and path.suffix not in suffixes:
        refuse(name, f"a file {' or '.join(suffixes)}", str(path))
    if path.is_dir():
        refuse(name, "a file, which a folder is not", str(path))
    _check_folder(name, path.parent, path)
    return path


def output_folder(name: str, value: Any) -> Path:
    """A folder that files can be written to; it need not be there.

    Raises:
        TypeError: if it is no path.
        ValueError: if there is a file of that name, or of that of a folder above it.

    Example:
        >>> output_folder("pictures", "runs/pictures").name
        'pictures'
    """
    path = _path(name, value)
    _check_folder(name, path, path)
    return path


PICTURES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps", ".ps")


def picture_file(name: str, value: Any) -> Path:
    """A file that matplotlib draws to; see `output_file`.

    Example:
        >>> picture_file("path", "curve.txt")
        Traceback (most recent call last):
        ValueError: `path` must be a file .png or .pdf or .svg or .jpg or .jpeg or .webp or .tif
        or .tiff or .eps or .ps, got 'curve.txt'
    """
    return output_file(name, value, PICTURES)


def arrays_file(name: str, value: Any) -> Path:
    """A file ``.npz`` that can be written; see `output_file`."""
    return output_file(name, value, [".npz"])


def _check_folder(name: str, folder: Path, path: Path) -> None:
    nearest = next((above for above in (folder, *folder.parents) if above.exists()), None)
    if nearest is not None and not nearest.is_dir():
        refuse(name, "in a folder", str(path), f"{str(nearest)!r} is a file.")


def _path(name: str, value: Any) -> Path:
    if not isinstance(value, str | os.PathLike):
        refuse(name, "a path", value, kind=TypeError)
    if not str(value):
        refuse(name, "a path of at least one character", value)
    return Path(value)
