"""By what it is seen that a shard has changed: its size and the time of its change."""

from __future__ import annotations

import os
import time
from pathlib import Path

Stamp = tuple[int, int]
UNSETTLED = -1  # a time that says nothing
_SETTLED = 2_000_000_000  # ns; the coarsest clock of a file system (FAT) ticks every 2 s


def stamp_of(path: Path) -> Stamp:
    """Size and time of change in ns of a file."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def settled(stamp: Stamp) -> Stamp:
    """A stamp to keep: another change within the same tick of the clock would not show."""
    size, changed = stamp
    return size, UNSETTLED if changed > time.time_ns() - _SETTLED else changed
