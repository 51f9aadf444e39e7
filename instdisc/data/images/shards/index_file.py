"""An index of shards, and how it lies in a file.

Legend: N images, S shards.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .mapped import open_mapped, write_mapped
from .samples import LeftOut, Rules
from .stamps import UNSETTLED, Stamp, settled

_FORMAT = 1
INDEX_BESIDE = "index.shards"  # of shards that are to be copied elsewhere
DTYPES = {"labels": "<i8", "blocks": "<u4", "sizes": "<u4"}  # 16 bytes of an image


class Wanted(NamedTuple):
    """Of what an index is.

    Attributes:
        root: the folder, absolute; or an address.
        names: S shards relative to it, sorted.
        listed: whether these were asked for by name; else they are all in the folder.
        rules: which files of a sample count.
        classes: names of the classes; ``None`` for those of the labels.
    """

    root: Any
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
    stamps: list[Stamp]
    classes: list[str]
    named: bool
    left_out: dict[int, dict[str, LeftOut]]
    token: str
    file: Path | None


def describe_index(
    wanted: Wanted,
    stamps: list[Stamp],
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


def read_index(file: Path) -> tuple[dict[str, Any], ShardIndex]:
    """What is said of the index in a file, and the index.

    Raises:
        ValueError: if it is damaged, or of another release.
        OSError: if it is not there.
    """
    about, columns = open_mapped(file)
    if about["format"] != _FORMAT:
        raise ValueError("it is of another release")
    arrays = [columns[name] for name in DTYPES]
    return about, make_index(about, arrays, about["sums"], file)


def write_beside(file: Path, wanted: Wanted, index: ShardIndex) -> None:
    """Writes an index that is to go with its shards, which have the same sizes elsewhere.

    Args:
        file: where to.
        wanted: of what it is.
        index: what it is.

    Raises:
        OSError: if it cannot be written.
    """
    stamps = [(size, UNSETTLED) for size, _ in index.stamps]
    counts = np.diff(index.ends).tolist()
    about = describe_index(
        wanted._replace(root=""),
        stamps,
        counts,
        index.classes,
        named=index.named,
        left_out=index.left_out,
    )
    columns = (index.labels, index.blocks, index.sizes)
    write_mapped(file, about, len(index.labels), DTYPES, [columns])


def make_index(
    about: dict[str, Any], arrays: list[np.ndarray], sums: list[int], file: Path | None
) -> ShardIndex:
    """An index of what is said of it (see `describe_index`) and its arrays.

    Args:
        about: what is said.
        arrays: labels, blocks and sizes.
        sums: a checksum of each.
        file: where it lies.
    """
    token = hashlib.sha256(json.dumps([about["shards"], sums]).encode()).hexdigest()
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
