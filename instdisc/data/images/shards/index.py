"""What lies where in the shards of a set: built once, shared by all processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from .building import build_index
from .index_file import ShardIndex, Wanted, read_index
from .places import Place

_log = logging.getLogger(__name__)


def find_index(wanted: Wanted, place: Place, file: Path | None) -> ShardIndex:
    """The index of shards: the stored one where it still holds, else a new one.

    Shards whose size or time of change is another than when they were scanned are scanned again,
    and no others. A build that was killed goes on with the shards that are done; if several
    processes want one index, the first builds it.

    Args:
        wanted: of what.
        place: where the shards lie.
        file: where it is kept; ``None`` to have it in memory alone.

    Raises:
        FileNotFoundError: if a shard is not there.
        ValueError: if a shard is damaged, or the labels do not fit; names the shard.
    """
    stamps = place.stamps(wanted.names)
    if file is None:
        return build_index(wanted, place, stamps, None, place.index_beside(wanted))
    stored = _stored(file, wanted)
    if stored is None or stored[0] != wanted.names or stored[1].stamps != stamps:
        with _lock(file):
            stored = _stored(file, wanted)  # perhaps of who had the lock
            if stored is None or stored[0] != wanted.names or stored[1].stamps != stamps:
                stored = stored or place.index_beside(wanted)
                return build_index(wanted, place, stamps, file, stored)
    return stored[1]


def open_index(file: Path, token: str) -> ShardIndex:
    """The index in a file, if it is the one that is asked for.

    Raises:
        ValueError: if it is another.
        OSError: if it is not there.
    """
    _, index = read_index(file)
    if index.token != token:
        raise ValueError("it is another one")
    return index


def _stored(file: Path, wanted: Wanted) -> tuple[list[str], ShardIndex] | None:
    """The shards of the index in a file, and the index; ``None`` if it is of no use."""
    if not file.exists():
        return None
    try:
        about, index = read_index(file)
        if about["root"] != str(wanted.root) or about["rules"] != list(wanted.rules):
            raise ValueError("it is of other shards")
        return about["shards"], index
    except (ValueError, KeyError, TypeError, OSError) as error:
        _log.warning("the index %s is of no use (%s); scanning again", file, error)
        return None


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    """For one process at a time, where the file system has locks and can be written."""
    lock = FileLock(file.with_name(f".{file.name}.lock"))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()
