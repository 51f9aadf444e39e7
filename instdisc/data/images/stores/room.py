"""A folder with copies of files that has a limit in bytes, shared by the processes of a machine."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from instdisc import checks
from instdisc.locking import hold_lock

from ..shards.opened import OpenFile

_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", 1):
    _UNITS |= {f"{_letter}b": 1000**_power, f"{_letter}ib": 1024**_power}
_SIZE = re.compile(r"([0-9.]+)\s*([a-z]*)", re.IGNORECASE)
_RULE = "a number of bytes above 0, or a text such as '50 GB' or '800 GiB'"
_COPY, _BEING_COPIED, _LOCK = ".tar", ".partial", ".copying"


class _Copy(NamedTuple):
    used: int  # ns
    size: int
    path: Path


class Room:
    """Copies of files, of which those go that were not used for longest, when room is short.

    A copy has its name once all of it is there. Of several processes that want one file, the first
    copies it, and the others wait. A copy that is open when it goes can be read on: its bytes are
    free when it is closed. Where a system does not remove what is open, as Windows, the next goes.

    Args:
        folder: made if need be.
        limit: bytes of all copies in it, those that are being made included.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit

    def open(self, key: str, size: int, copy: Callable[[Path], None]) -> OpenFile:
        """A copy that is there, or is made now.

        Args:
            key: a name of the file and its state, of letters and digits.
            size: of it in bytes.
            copy: makes the copy at a path.
        """
        path = self.folder / f"{key}{_COPY}"
        opened = _opened(path, size)
        if opened is not None:
            return opened
        self.folder.mkdir(parents=True, exist_ok=True)
        with hold_lock(self.folder / key, tidy=True):
            opened = _opened(path, size)  # perhaps made by who had the lock
            return self._copy(path, size, copy) if opened is None else opened

    def touch(self, key: str) -> None:
        """Notes that a copy is used now, if it is there."""
        touch(self.folder / f"{key}{_COPY}")

    def _copy(self, path: Path, size: int, copy: Callable[[Path], None]) -> OpenFile:
        name = f"{uuid.uuid4().hex}-{size}"
        partial = self.folder / f"{name}{_BEING_COPIED}"
        # It says how much room is taken, and ends with this process at the latest.
        taken = FileLock(self.folder / f"{name}{_LOCK}")
        with hold_lock(self.folder / "room"):
            self._make_room(size)
            taken.acquire()
        try:
            copy(partial)
            with partial.open("rb+") as written:
                os.fsync(written.fileno())  # else a machine that goes down may leave zeros
            return _moved(partial, path)
        finally:
            _remove(partial)
            taken.release()
            _remove(Path(taken.lock_file))

    def _make_room(self, size: int) -> None:
        """Removes what was not used for longest, until a file of this size has room."""
        copies, total = [], size
        for entry in os.scandir(self.folder):
            if entry.name.endswith(_LOCK):
                total += _being_copied(Path(entry.path))
            elif entry.name.endswith(_BEING_COPIED):
                if not Path(entry.path).with_suffix(_LOCK).exists():  # of a process that was killed
                    _remove(Path(entry.path))
            elif entry.name.endswith(_COPY):
                with suppress(FileNotFoundError):
                    status = entry.stat()
                    copies.append(_Copy(status.st_mtime_ns, status.st_size, Path(entry.path)))
                    total += status.st_size
        for copy in sorted(copies):
            if total <= self.limit:
                return
            if _remove(copy.path):
                total -= copy.size


def read_size(name: str, value: int | float | str) -> int:
    """Bytes that a number or a text says.

    Args:
        name: of the argument.
        value: bytes, or a text with a unit.

    Raises:
        ValueError: if it is no size above 0.

    Example:
        >>> read_size("room", "1.5 GB"), read_size("room", 2000)
        (1500000000, 2000)
    """
    if not isinstance(value, str):
        return int(checks.within(at_least=1)(name, value))
    match = _SIZE.fullmatch(value.strip())
    unit = None if match is None else _UNITS.get(match[2].lower())
    try:
        size = int(float(match[1]) * unit) if match is not None and unit is not None else 0
    except ValueError:  # of 1.2.3
        size = 0
    return size if size > 0 else checks.refuse(name, _RULE, value)


def _opened(path: Path, size: int) -> OpenFile | None:
    """A copy, if it is there in full."""
    try:
        opened = OpenFile(path)
    except FileNotFoundError:
        return None
    if os.fstat(opened.file).st_size != size:  # somebody has changed it
        return None
    touch(path)
    return opened


def _moved(partial: Path, path: Path) -> OpenFile:
    """A copy under its name, open before another process may take it for the next to go."""
    opened = OpenFile(partial)
    try:
        os.replace(partial, path)
    except PermissionError:  # Windows does not move what is open
        del opened
        os.replace(partial, path)
        return OpenFile(path)
    opened.path = path
    return opened


def touch(path: Path) -> None:
    """Notes that a copy is used now."""
    with suppress(OSError):
        os.utime(path)


def _being_copied(lock: Path) -> int:
    """Bytes that a copy in the making will take; 0, and it is gone, if its process is."""
    taken = FileLock(lock)
    try:
        taken.acquire(timeout=0)
    except (Timeout, OSError, NotImplementedError):
        return int(lock.stem.rpartition("-")[2])
    taken.release()
    _remove(lock)
    _remove(lock.with_suffix(_BEING_COPIED))
    return 0


def _remove(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # open, on Windows
        return False
    return True
