"""Files that are there whole or not at all, whenever their writer is killed."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

# Windows has none, and does not remove a file that is open.
fcntl: Any = None if sys.platform == "win32" else importlib.import_module("fcntl")
_SUFFIX = ".partial"
_LOCK = "lock"
_PATIENCE = 60.0  # seconds that a writer may take between its folder and its lock


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Writes a file so that `path` is the old one or the new one, never half of one.

    The file is written in a hidden folder beside `path`, brought to the disk, and moved. What
    writers that were killed left in the folder of `path` is removed; what others are writing now is
    not.

    Args:
        path: of the file; its folder is made if need be.
        write: writes the file that it is called with, which has the name of `path`.

    Returns:
        `path`.

    Raises:
        OSError: if it cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = write_atomically(f"{folder}/a.txt", lambda file: file.write_text("all"))
        ...     path.read_text(), os.listdir(folder)
        ('all', ['a.txt'])
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    place, lock = _begin(path)
    try:
        partial = place / path.name
        write(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        lock.close()
    return path


def link_atomically(target: Path, link: Path) -> None:
    """Makes `link` point to a file or folder beside it, without a moment in which it is missing.

    Where the file system has no links, it becomes a copy.

    Args:
        target: what to point to, in the folder of `link`.
        link: a path; a link, file or folder that is there is replaced.
    """
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    temporary = link.with_name(f".{link.name}.{uuid.uuid4().hex}{_SUFFIX}")
    try:
        temporary.symlink_to(target.name, target_is_directory=target.is_dir())
    except (OSError, NotImplementedError):  # Windows asks for a right that users seldom have
        if target.is_dir():
            shutil.copytree(target, link, dirs_exist_ok=True)
        else:
            write_atomically(link, lambda file: shutil.copyfile(target, file))
        return
    os.replace(temporary, link)


def remove_leftovers(folder: Path) -> list[Path]:
    """Removes what killed calls of `write_atomically` and `link_atomically` left in a folder.

    Args:
        folder: nothing happens if there is none.

    Returns:
        What was removed.
    """
    removed = []
    try:
        names = [name for name in os.listdir(folder) if name.endswith(_SUFFIX) and name[0] == "."]
    except FileNotFoundError:
        return []
    for name in names:
        left = folder / name
        if left.is_symlink() or left.is_file():
            if _age(left) > _PATIENCE:  # a link stands so for microseconds
                left.unlink(missing_ok=True)
                removed.append(left)
        elif _is_left(left):
            shutil.rmtree(left, ignore_errors=True)
            removed.append(left)
    return removed


def _begin(path: Path) -> tuple[Path, IO[bytes]]:
    """A folder to write in, and its lock, which ends with the process."""
    while True:
        place = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}{_SUFFIX}")
        place.mkdir()
        lock = (place / _LOCK).open("wb")
        if fcntl is None:
            return place, lock
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:  # a file system without locks, where `_is_left` leaves all as it is
            return place, lock
        if (place / _LOCK).exists():  # else a writer that began now took it for a leftover
            return place, lock
        lock.close()


def _is_left(place: Path) -> bool:
    """Whether no process is writing in a folder of `_begin`."""
    try:
        with (place / _LOCK).open("rb+") as lock:
            if fcntl is None:
                return _age(place) > 24 * 3600
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Removed under the lock: a writer that waits for it sees that it is gone.
            (place / _LOCK).unlink()
            return True
    except FileNotFoundError:
        return _age(place) > _PATIENCE
    except OSError:
        return False


def _age(path: Path) -> float:
    """Seconds since it was changed; 0 if it was removed."""
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0
