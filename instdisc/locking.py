"""One process at a time at a file, wherever the file system knows locks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_log = logging.getLogger(__name__)


@contextmanager
def hold_lock(path: Path, *, patience: float = -1, tidy: bool = False) -> Iterator[bool]:
    """Holds the lock of a file, which ends with the process at the latest.

    Where the file system has no locks the block runs without one, with a line in the log.

    Args:
        path: of the file; it need not be there, its folder must.
        patience: how long to wait for another process, in seconds; below 0: for ever.
        tidy: whether to remove the file of the lock. Of three processes that come at the moment of
            its removal two may then hold it: for where that costs time alone.

    Yields:
        Whether the lock is held.

    Raises:
        TimeoutError: if another process held it all the time.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=patience)
    held = True
    try:
        lock.acquire()
    except Timeout as error:
        raise TimeoutError(
            f"another process has held {lock.lock_file} for {patience:g} s. If none is writing "
            f"to {path}, remove it."
        ) from error
    except (OSError, NotImplementedError) as error:
        _log.warning("%s cannot be locked (%s): let one process alone write to it", path, error)
        held = False
    try:
        yield held
    finally:
        if held:
            lock.release()
            if tidy:
                with suppress(OSError):  # another process has it open, or removed it
                    Path(lock.lock_file).unlink()
