"""What lies where in the shards of a set: built once, shared by all processes.

Legend: N images, S shards.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock

from .classes import ClassNames
from .mapped import open_mapped, write_mapped
from .parts import Part, Shard, find_parts, forget_parts, part_file, settled, stamp_of
from .samples import LeftOut, Rules, Samples

_FORMAT = 1
DTYPES = {"labels": "<i8", "blocks": "<u4", "sizes": "<u4"}  # 16 bytes of an image
_log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """Of what an index is.

    Attributes:
        root: the folder, absolute.
        names: S shards relative to it, sorted.
        listed: whether these were asked for by name; else they are all in the folder.
        rules: which files of a sample count.
        classes: names of the classes; ``None`` for those of the labels.
    """

    root: Path
    names: list[str]
    listed: bool
    rules: Rules
    classes: list[str] | None

    def file(self, place: Path) -> Path:
        """Of the index, in a folder of such files."""
        listed = self.names if self.listed else None
        text = json.dumps([str(self.root), listed, self.rules, self.classes])
        return place / f"{self.root.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.shards"


class ShardIndex(NamedTuple):
    """An index.

    Attributes:
        labels: ``(N,)`` int64.
        blocks: ``(N,)`` uint32, where in its shard each image begins, in blocks of 512 bytes.
        sizes: ``(N,)`` uint32 bytes.
        ends: S + 1; shard s has the images from ``ends[s]`` to before ``ends[s + 1]``.
        stamps: of each shard size and time of change in ns.
        classes: their names.
        named: whether labels are written as names.
        left_out: by number of the shard and kind, see `Samples`.
        token: equal for equal content.
        file: where it lies; ``None`` for one in memory.
    """

    labels: np.ndarray
    blocks: np.ndarray
    sizes: np.ndarray
    ends: list[int]
    stamps: list[tuple[int, int]]
    classes: list[str]
    named: bool
    left_out: dict[int, dict[str, LeftOut]]
    token: str
    file: Path | None


def find_index(wanted: Wanted, file: Path | None) -> ShardIndex:
    """The index of shards: the stored one where it still holds, else a new one.

    Shards whose size or time of change is another than when they were scanned are scanned again,
    and no others. A build that was killed goes on with the shards that are done; if several
    processes want one index, the first builds it.

    Args:
        wanted: of what.
        file: where it is kept; ``None`` to have it in memory alone.

    Raises:
        FileNotFoundError: if a shard is not there.
        ValueError: if a shard is damaged, or the labels do not fit; names the shard.
    """
    stamps = [stamp_of(wanted.root / name) for name in wanted.names]
    if file is None:
        return _build(wanted, stamps, None, None)
    stored = _stored(file, wanted)
    if stored is None or stored[0] != wanted.names or stored[1].stamps != stamps:
        with _lock(file):
            stored = _stored(file, wanted)  # perhaps of who had the lock
            if stored is None or stored[0] != wanted.names or stored[1].stamps != stamps:
                return _build(wanted, stamps, file, stored)
    return stored[1]


def open_index(file: Path, token: str) -> ShardIndex:
    """The index in a file, if it is the one that is asked for.

    Raises:
        ValueError: if it is another.
        OSError: if it is not there.
    """
    _, index = _read(file)
    if index.token != token:
        raise ValueError("it is another one")
    return index


def _build(
    wanted: Wanted,
    stamps: list[tuple[int, int]],
    file: Path | None,
    stored: tuple[list[str], ShardIndex] | None,
) -> ShardIndex:
    folder = None if file is None else file.with_suffix(".parts")
    shards = []
    for name, stamp in zip(wanted.names, stamps, strict=True):
        part = None if folder is None else part_file(folder, name)
        shards.append(Shard(wanted.root / name, wanted.rules, stamp, part))
    parts = _joined(shards, wanted.names, stored)
    names, counts, left_out = ClassNames(wanted.classes, wanted.root), [], {}
    for number, (name, part) in enumerate(zip(wanted.names, parts, strict=True)):
        samples = part.load()
        counts.append(len(samples.labels))
        names.add(name, samples)
        if samples.left_out:
            left_out[number] = samples.left_out
    classes = names.finish()
    about = describe_index(wanted, stamps, counts, classes, named=names.named, left_out=left_out)

    def columns() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for part in parts:
            samples = part.load()
            yield names.number(samples), samples.blocks, samples.sizes

    if file is not None and folder is not None and sum(counts):
        try:
            write_mapped(file, about, sum(counts), DTYPES, columns())
        except OSError as error:
            _log.warning(
                "cannot keep the index of the shards in %s in %s (%s), so that each start scans "
                "them all. Pass index=a folder that can be written, or index=False",
                *(wanted.root, file.parent, error),
            )
        else:
            forget_parts(folder)
            return _read(file)[1]
    arrays = [
        np.concatenate(column).astype(dtype)
        for column, dtype in zip(zip(*columns(), strict=True), DTYPES.values(), strict=True)
    ]
    sums = [zlib.crc32(array.tobytes()) for array in arrays]
    return _index(about, arrays, _token(about, sums), None)


def describe_index(
    wanted: Wanted,
    stamps: list[tuple[int, int]],
    counts: list[int],
    classes: list[str],
    *,
    named: bool = False,
    left_out: dict[int, dict[str, LeftOut]] | None = None,
) -> dict[str, Any]:
    """What is said of an index in its file; JSON values.

    Args:
        wanted: of what it is.
        stamps: of each shard size and time of change in ns.
        counts: of the images in each shard.
        classes: their names.
        named: whether labels are written as names.
        left_out: by number of the shard and kind.
    """
    return {
        "format": _FORMAT,
        "root": str(wanted.root),
        "rules": wanted.rules,
        "shards": wanted.names,
        "stamps": [settled(stamp) for stamp in stamps],
        "ends": [0, *np.cumsum(counts).tolist()],
        "classes": classes,
        "named": named,
        "left_out": left_out or {},
    }


def _joined(
    shards: list[Shard], names: list[str], stored: tuple[list[str], ShardIndex] | None
) -> list[Part]:
    """The samples of all shards: those that have not changed as they are known."""
    known: dict[str, Samples] = {}
    if stored is not None:
        places = {name: number for number, name in enumerate(stored[0])}
        for name, shard in zip(names, shards, strict=True):
            number = places.get(name)
            if number is not None and stored[1].stamps[number] == shard.stamp:
                known[name] = _rows(stored[1], number)
    others = [shard for name, shard in zip(names, shards, strict=True) if name not in known]
    scanned = iter(find_parts(others))
    return [
        Part(shard, known[name]) if name in known else next(scanned)
        for name, shard in zip(names, shards, strict=True)
    ]


def _rows(index: ShardIndex, shard: int) -> Samples:
    """What an index says of a shard."""
    rows = slice(index.ends[shard], index.ends[shard + 1])
    return Samples(
        index.labels[rows],
        index.blocks[rows],
        index.sizes[rows],
        index.classes if index.named else None,
        index.left_out.get(shard, {}),
    )


def _stored(file: Path, wanted: Wanted) -> tuple[list[str], ShardIndex] | None:
    """The shards of the index in a file, and the index; ``None`` if it is of no use."""
    if not file.exists():
        return None
    try:
        about, index = _read(file)
        if about["root"] != str(wanted.root) or about["rules"] != list(wanted.rules):
            raise ValueError("it is of other shards")
        return about["shards"], index
    except (ValueError, KeyError, TypeError, OSError) as error:
        _log.warning("the index %s is of no use (%s); scanning again", file, error)
        return None


def _read(file: Path) -> tuple[dict[str, Any], ShardIndex]:
    about, columns = open_mapped(file)
    if about["format"] != _FORMAT:
        raise ValueError("it is of another release")
    arrays = [columns[name] for name in DTYPES]
    return about, _index(about, arrays, _token(about, about["sums"]), file)


def _token(about: dict[str, Any], sums: list[int]) -> str:
    return hashlib.sha256(json.dumps([about["shards"], sums]).encode()).hexdigest()


def _index(
    about: dict[str, Any], arrays: list[np.ndarray], token: str, file: Path | None
) -> ShardIndex:
    left_out = {
        int(shard): {kind: LeftOut(*what) for kind, what in kinds.items()}
        for shard, kinds in about["left_out"].items()
    }
    labels, blocks, sizes = arrays
    return ShardIndex(
        labels,
        blocks,
        sizes,
        about["ends"],
        [(size, changed) for size, changed in about["stamps"]],
        about["classes"],
        about["named"],
        left_out,
        token,
        file,
    )


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
