"""How an index of shards is made."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .classes import ClassNames
from .index_file import DTYPES, ShardIndex, Wanted, describe_index, make_index, read_index
from .mapped import write_mapped
from .parts import Part, Shard, find_parts, forget_parts, part_file
from .places import Place
from .samples import LeftOut, Samples
from .stamps import Stamp

_log = logging.getLogger(__name__)


def build_index(
    wanted: Wanted,
    place: Place,
    stamps: list[Stamp],
    file: Path | None,
    stored: tuple[list[str], ShardIndex] | None,
) -> ShardIndex:
    """Makes an index, of what is known already and of shards that are scanned now.

    Args:
        wanted: of what.
        place: where the shards lie.
        stamps: of each shard size and time of change in ns.
        file: where it is kept; ``None`` to have it in memory alone.
        stored: names of shards that are known, and the index that knows them.

    Raises:
        ValueError: see `find_index`.
    """
    folder = None if file is None else file.with_suffix(".parts")
    shards = []
    for name, stamp in zip(wanted.names, stamps, strict=True):
        kept = None if folder is None else part_file(folder, name)
        shards.append(Shard(place, name, wanted.rules, stamp, kept))
    parts = _joined(shards, wanted.names, stored)
    names = ClassNames(wanted.classes, wanted.root)
    counts: list[int] = []
    left_out: dict[int, dict[str, LeftOut]] = {}
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

    if file is not None and folder is not None and sum(counts) > 0:
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
            return read_index(file)[1]
    arrays = [
        np.concatenate(column).astype(dtype)
        for column, dtype in zip(zip(*columns(), strict=True), DTYPES.values(), strict=True)
    ]
    sums = [zlib.crc32(array.tobytes()) for array in arrays]
    return make_index(about, arrays, sums, None)


def _joined(
    shards: list[Shard], names: list[str], stored: tuple[list[str], ShardIndex] | None
) -> list[Part]:
    """The samples of all shards: those that have not changed as they are known."""
    unchanged: dict[str, Samples] = {}
    if stored is not None:
        places = {name: number for number, name in enumerate(stored[0])}
        for name, shard in zip(names, shards, strict=True):
            number = places.get(name)
            if number is not None and stored[1].stamps[number] == shard.stamp:
                unchanged[name] = _rows(stored[1], number)
    others = [shard for name, shard in zip(names, shards, strict=True) if name not in unchanged]
    scanned = iter(find_parts(others))
    return [
        Part(shard, unchanged[name]) if name in unchanged else next(scanned)
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
