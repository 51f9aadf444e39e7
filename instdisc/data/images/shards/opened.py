"""Some of many files, open for reading at any place."""

from __future__ import annotations

import importlib
import os
import sys
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

from .members import read_at
from .stamps import UNSETTLED, Stamp

# Windows has none.
resource: Any = None if sys.platform == "win32" else importlib.import_module("resource")
_MOST = 1024  # open at once, and a quarter of what the system allows this process


class OpenShards:
    """Reads bytes of shards; each process and thread may, also after a fork or pickling.

    Args:
        root: the folder.
        names: S files relative to it.
        stamps: of each size and time of change in ns; `UNSETTLED` = not known.
    """

    def __init__(self, root: Path, names: list[str], stamps: list[Stamp]) -> None:
        self.root, self.names, self.stamps = root, names, stamps
        self._begin()

    def read(self, shard: int, start: int, size: int) -> bytes:
        """Bytes of a shard; fewer where it ends.

        Raises:
            FileNotFoundError: if it is no longer there.
            RuntimeError: if it is another file than it was.
        """
        opened = self._open(shard)
        if hasattr(os, "pread"):
            return read_at(opened.file, size, start)
        with self._lock:
            return read_at(opened.file, size, start)

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "names": self.names, "stamps": self.stamps}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = Lock()
        self._files: OrderedDict[int, OpenFile] = OrderedDict()

    def _open(self, shard: int) -> OpenFile:
        if self._process != os.getpid():  # forked: perhaps while a thread had the lock
            self._begin()
        with self._lock:
            opened = self._files.get(shard)
            if opened is not None:
                self._files.move_to_end(shard)
                return opened
        opened = self._begin_reading(shard)
        with self._lock:
            self._tidy()
            self._files[shard] = opened
            while len(self._files) > _most_open():
                self._files.popitem(last=False)  # closed when nobody reads it any more
            return opened

    def _begin_reading(self, shard: int) -> OpenFile:
        """The shard, if it is the one that it was."""
        opened = OpenFile(self.root / self.names[shard])
        status, (size, changed) = os.fstat(opened.file), self.stamps[shard]
        if status.st_size != size or changed not in (UNSETTLED, status.st_mtime_ns):
            raise RuntimeError(
                f"the shard {self.root / self.names[shard]} has changed since its index was read. "
                "Open the set again."
            )
        return opened

    def _tidy(self) -> None:
        """Closes what need not be open, before another is kept open."""


class OpenFile:
    """A file that is closed when the last who uses it lets go of it.

    Args:
        path: where it lies; it may be moved or removed meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def __del__(self) -> None:
        if hasattr(self, "file"):
            os.close(self.file)


def _most_open() -> int:
    if resource is None:
        return _MOST // 8
    soft: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST if soft == resource.RLIM_INFINITY else max(1, min(_MOST, soft // 4))
