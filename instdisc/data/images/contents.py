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
        paths: N files relative to it. One that is gone has a key of its own.
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
    names = list(paths)
    place = os.path.realpath(root)
    stamps = np.array([_stamp(place, name) for name in names], dtype=np.int64).reshape(-1, 4)
    small = int(stamps[:, 0].clip(min=0).sum()) <= LARGE
    if memory is True:
        above = cache_folder()
        memory = None if above is None else above / "contents"
    file = file_about(place, Path(memory), "content" if small else "size") if memory else None
    known = _load(file, place) if file is not None else {}
    remembered = [known.get(name) for name in names]
    fresh = np.array(
        [
            entry is not None and entry[0] == tuple(stamp)
            for entry, stamp in zip(remembered, stamps.tolist(), strict=True)
        ],
        dtype=bool,
    )
    hashes = [
        entry[1] if good and entry is not None else b""
        for entry, good in zip(remembered, fresh.tolist(), strict=True)
    ]
    # A large set's file is hashed only if it was known and is another one now.
    wanted = [
        row
        for row in np.flatnonzero(~fresh).tolist()
        if stamps[row, 0] >= 0 and (small or remembered[row] is not None)
    ]
    with ThreadPoolExecutor() as threads:  # hashlib lets go of the interpreter
        found = threads.map(lambda row: _hash_file(os.path.join(place, names[row])), wanted)
        for row, digest in zip(wanted, found, strict=True):
            hashes[row] = digest
    if file is not None and not fresh.all():
        settled = _settled(stamps) if small else stamps
        updated = {
            name: (tuple(row), one)
            for name, row, one in zip(names, settled.tolist(), hashes, strict=True)
        }
        _save(file, place, {**known, **updated})
    keys = [
        _key(name, int(stamp[0]), digest, small)
        for name, stamp, digest in zip(names, stamps.tolist(), hashes, strict=True)
    ]
    return Keys(as_keys(keys), small)


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


def _key(name: str, size: int, digest: bytes, small: bool) -> bytes:
    if small and digest:
        return digest
    return hash_parts(os.fsencode(name.replace(os.sep, "/")), str(size).encode(), digest)


def _stamp(root: str, name: str) -> tuple[int, int, int, int]:
    try:
        status = os.stat(os.path.join(root, name))
    except OSError:
        return _GONE
    # ctime: a copy can keep the time of change, but not this one.
    return (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino & (2**63 - 1),
    )


def _settled(stamps: np.ndarray) -> np.ndarray:
    """Stamps to remember: none for a file that changed just now.

    Another change within the same tick of the file system's clock would not show.
    """
    kept = stamps.copy()
    kept[stamps[:, 1:3].max(1, initial=-1) > time.time_ns() - _SETTLED] = -2
    return kept


def _hash_file(path: str) -> bytes:
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    try:
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:  # the reader's business, not the hash's
        return b""
    return digest.digest()


_Memory = dict[str, tuple[tuple[int, ...], bytes]]


def _load(file: Path, root: str) -> _Memory:
    if not file.exists():
        return {}
    try:
        stored = load_arrays(file, root, _FORMAT)
        names = PackedPaths(stored["names"].tobytes(), stored["offsets"])
        hashes, size = stored["hashes"].tobytes(), KEY_BYTES
        rows = zip(names, stored["stamps"].tolist(), stored["hashed"].tolist(), strict=True)
        return {
            name: (tuple(stamp), hashes[row * size : (row + 1) * size] if has else b"")
            for row, (name, stamp, has) in enumerate(rows)
        }
    except (ValueError, KeyError) as error:
        _log.warning("%s is of no use (%s); files are hashed again", file, error)
        return {}


def _save(file: Path, root: str, known: _Memory) -> None:
    names = PackedPaths.pack(known)
    hashes = [digest for _, digest in known.values()]
    arrays = {
        "names": np.frombuffer(names.data, np.uint8),
        "offsets": names.offsets,
        "stamps": np.array([stamp for stamp, _ in known.values()], dtype=np.int64),
        "hashes": as_keys(digest or bytes(KEY_BYTES) for digest in hashes),
        "hashed": np.array([bool(digest) for digest in hashes]),
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
