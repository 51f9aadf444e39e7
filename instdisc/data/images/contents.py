"""What files hold, by hashes that are remembered from one run to the next.

Legend: N files.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .packed import PackedPaths
from .remembered import cache_folder, file_about, load_arrays, save_arrays

LARGE = 2 * 2**30  # bytes of a set; above it paths and sizes stand for what files hold
KEY_BYTES = 16
_FORMAT = 1
_SETTLED = 2_000_000_000  # ns; the coarsest clock of a file system (FAT) ticks every 2 s
_CHUNK = 2**20
_GONE = (-1, -1, -1, -1)

_log = logging.getLogger(__name__)


class Keys(NamedTuple):
    """A hash of each of some images.

    Attributes:
        keys: ``(N, 16)`` uint8.
        by_content: whether every key is of what the image holds; else some are of path and size.
    """

    keys: np.ndarray
    by_content: bool


def file_keys(
    root: str | Path, paths: Sequence[str] | PackedPaths, *, memory: Path | bool | None = True
) -> Keys:
    """A key for each file, equal on every machine and in every folder that the set is copied to.

    The files of a set of up to 2 GiB go by the hash of their content. Those of a larger one go by
    path and size; where a file's time or place has changed since it was looked at first, its
    content is hashed too. When a file was changed is never part of a key: size, time of change
    and number in the file system only say whether a hash that is remembered is still good.

    Args:
        root: the folder.
        paths: N files relative to it. A missing file has a key, too.
        memory: the folder that remembers; ``True`` for one in this user's cache folder
            (``$XDG_CACHE_HOME`` or the platform's own), ``False`` or ``None`` for none.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> for name, text in (("a", "one"), ("b", "two"), ("c", "one")):
        ...     _ = (root / name).write_text(text)
        >>> keys, by_content = file_keys(root, ["a", "b", "c"], memory=False)
        >>> by_content, (keys[0] == keys[1]).all(), (keys[0] == keys[2]).all()
        (True, np.False_, np.True_)
    """
    packed = paths if isinstance(paths, PackedPaths) else PackedPaths.pack(paths)
    names = packed.encoded()
    place = os.path.realpath(root)
    stamps = _stamps(os.fsencode(place), names)
    small = int(stamps[:, 0].clip(min=0).sum()) <= LARGE
    if memory is True:
        above = cache_folder()
        memory = None if above is None else above / "contents"
    file = file_about(place, Path(memory), "content" if small else "size") if memory else None
    stored = _load(file, place) if file is not None else None
    rows = np.full(len(names), -1) if stored is None else _rows_of(packed, names, stored.names)
    remembered, hashes = rows >= 0, np.zeros((len(names), KEY_BYTES), np.uint8)
    hashed = np.zeros(len(names), bool)
    fresh = remembered.copy()
    if stored is not None:
        fresh[remembered] = (stored.stamps[rows[remembered]] == stamps[remembered]).all(1)
        hashes[fresh], hashed[fresh] = stored.hashes[rows[fresh]], stored.hashed[rows[fresh]]
    # A large set's file is hashed only if it was remembered and is another one now.
    wanted = np.flatnonzero(~fresh & (stamps[:, 0] >= 0) & (small | remembered)).tolist()
    with ThreadPoolExecutor() as threads:  # hashlib lets go of the interpreter
        digests = threads.map(
            lambda row: _hash_file(os.fsencode(place) + b"/" + names[row]), wanted
        )
        for row, digest in zip(wanted, digests, strict=True):
            if digest:
                hashes[row], hashed[row] = np.frombuffer(digest, np.uint8), True
    if file is not None and not fresh.all():
        seen = _Memory(packed, _settled(stamps) if small else stamps, hashes, hashed)
        _save(file, place, seen if stored is None else _joined(stored, rows, seen))
    # Of a set of more than `LARGE`, and of files that are gone.
    by_name = np.flatnonzero(~hashed) if small else np.arange(len(names))
    sizes, also = stamps[:, 0].tolist(), hashed.tolist()
    parts = (
        (b"%d %b" % (sizes[row], names[row]), hashes[row].tobytes() if also[row] else b"")
        for row in by_name.tolist()
    )
    keys = [hashlib.blake2b(b"".join(both), digest_size=KEY_BYTES).digest() for both in parts]
    hashes[by_name] = as_keys(keys)
    return Keys(hashes, small)


def as_keys(hashes: Iterable[bytes]) -> np.ndarray:
    """``(N, 16)`` uint8 of N hashes of 16 bytes."""
    return np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, KEY_BYTES)


def hash_parts(*parts: bytes | memoryview) -> bytes:
    """16 bytes that depend on every part and on where one ends."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def join_keys(parts: Sequence[Keys]) -> Keys:
    """The keys of several parts, one part after the other."""
    return Keys(
        np.concatenate([part.keys for part in parts]), all(part.by_content for part in parts)
    )


class _Memory(NamedTuple):
    """What is remembered of the files below a folder."""

    names: PackedPaths
    stamps: np.ndarray  # (N, 4) int64
    hashes: np.ndarray  # (N, 16) uint8
    hashed: np.ndarray  # (N,) bool


def _rows_of(packed: PackedPaths, names: list[bytes], stored: PackedPaths) -> np.ndarray:
    """``(N,)`` where each file stands in the memory; -1 where it does not."""
    if packed.data == stored.data and np.array_equal(packed.offsets, stored.offsets):
        return np.arange(len(names))
    place = {name: row for row, name in enumerate(stored.encoded())}
    return np.array([place.get(name, -1) for name in names])


def _joined(stored: _Memory, rows: np.ndarray, seen: _Memory) -> _Memory:
    """What was remembered and was not looked at now, then what was."""
    left = np.ones(len(stored.names), bool)
    left[rows[rows >= 0]] = False
    if not left.any():
        return seen
    others = stored.names.take(np.flatnonzero(left))
    return _Memory(
        PackedPaths.join([others, seen.names]),
        *(np.concatenate([old[left], new]) for old, new in zip(stored[1:], seen[1:], strict=True)),
    )


def _stamps(root: bytes, names: list[bytes]) -> np.ndarray:
    """``(N, 4)`` int64: size, times of change in ns and number of each file; -1 if missing."""
    stamps = []
    for name in names:
        try:
            status = os.stat(root + b"/" + name)
        except OSError:
            stamps.append(_GONE)
            continue
        # ctime: a copy can keep the time of change, but not this one.
        number = status.st_ino & (2**63 - 1)
        stamps.append((status.st_size, status.st_mtime_ns, status.st_ctime_ns, number))
    return np.array(stamps, dtype=np.int64).reshape(-1, 4)


def _settled(stamps: np.ndarray) -> np.ndarray:
    """Stamps to remember: none for a file that changed just now.

    Another change within the same tick of the file system's clock would not show.
    """
    kept = stamps.copy()
    kept[stamps[:, 1:3].max(1, initial=-1) > time.time_ns() - _SETTLED] = -2
    return kept


def _hash_file(path: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    try:
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:  # the reader's business, not the hash's
        return b""
    return digest.digest()


def _load(file: Path, root: str) -> _Memory | None:
    if not file.exists():
        return None
    try:
        stored = load_arrays(file, root, _FORMAT)
        names = PackedPaths(stored["names"].tobytes(), stored["offsets"])
        return _Memory(names, stored["stamps"], stored["hashes"], stored["hashed"])
    except (ValueError, KeyError) as error:
        _log.warning("%s is of no use (%s); files are hashed again", file, error)
        return None


def _save(file: Path, root: str, memory: _Memory) -> None:
    arrays = {
        "names": np.frombuffer(memory.names.data, np.uint8),
        "offsets": memory.names.offsets,
        "stamps": memory.stamps,
        "hashes": memory.hashes,
        "hashed": memory.hashed,
    }
    try:
        save_arrays(file, root, _FORMAT, arrays)
    except OSError as error:
        _log.warning(
            "cannot remember in %s what the files in %s hold (%s): the next run hashes them again. "
            "Set XDG_CACHE_HOME to a folder that can be written.",
            file.parent,
            root,
            error,
        )
