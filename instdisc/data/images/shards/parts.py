"""The samples of each shard: scanned once, and kept until all are."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..remembered import load_arrays, save_arrays
from .places import Place
from .samples import LeftOut, Rules, Samples
from .stamps import UNSETTLED, Stamp, settled

_FORMAT = 1
_log = logging.getLogger(__name__)


class Shard(NamedTuple):
    """A shard that is to be scanned.

    Attributes:
        place: where it lies.
        name: there.
        rules: which files of a sample count.
        stamp: its size and time of change in ns.
        part: the file that keeps its samples; ``None`` for none.
    """

    place: Place
    name: str
    rules: Rules
    stamp: Stamp
    part: Path | None

    @property
    def address(self) -> str:
        """What it is called."""
        return str(self.place.root / self.name)

    def read(self) -> Samples:
        """Its samples, from the shard itself."""
        return self.place.samples(self.name, self.stamp, self.rules)


class Part(NamedTuple):
    """Where the samples of a shard are.

    Attributes:
        shard: which.
        samples: they themselves; ``None`` where they are in the file.
    """

    shard: Shard
    samples: Samples | None

    def load(self) -> Samples:
        """The samples."""
        if self.samples is not None:
            return self.samples
        stored = _load(self.shard)
        return self.shard.read() if stored is None else stored


def find_parts(shards: list[Shard]) -> list[Part]:
    """The samples of shards of one place, scanned unless an earlier call has, several at once."""
    missing = [shard for shard in shards if not _is_there(shard)]
    size = sum(shard.stamp[0] for shard in missing)
    if len(missing) > 1:
        _log.info("scanning %d shards (%.1f GiB), once", len(missing), size / 2**30)
    scanned = missing[0].place.map(_scan, missing, size) if missing else ()
    parts = {
        shard.name: Part(shard, samples) for shard, samples in zip(missing, scanned, strict=True)
    }
    return [parts.get(shard.name, Part(shard, None)) for shard in shards]


def forget_parts(folder: Path) -> None:
    """Removes what was kept, when all of it is in an index."""
    shutil.rmtree(folder, ignore_errors=True)


def part_file(folder: Path, name: str) -> Path:
    """The file for the samples of a shard; a folder holds a few of many."""
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return folder / digest[:2] / f"{digest}.npz"


def _scan(shard: Shard) -> Samples | None:
    """The samples of a shard; ``None`` if its file has them."""
    samples = shard.read()
    if shard.part is None or not _save(shard, samples):
        return samples
    return None


def _is_there(shard: Shard) -> bool:
    return shard.part is not None and shard.part.exists() and _load(shard) is not None


def _save(shard: Shard, samples: Samples) -> bool:
    assert shard.part is not None
    size, changed = settled(shard.stamp)
    said = {"stamp": (size, changed), "names": samples.names, "left_out": samples.left_out}
    arrays = {
        "labels": samples.labels,
        "blocks": samples.blocks,
        "sizes": samples.sizes,
        "about": np.frombuffer(json.dumps(said).encode(), np.uint8),
    }
    try:
        save_arrays(shard.part, shard.address, _FORMAT, arrays)
    except OSError:  # of which the index will complain, too
        return False
    return changed != UNSETTLED


def _load(shard: Shard) -> Samples | None:
    """What is kept of a shard; ``None`` if that is nothing, or the shard has changed."""
    assert shard.part is not None
    try:
        stored = load_arrays(shard.part, shard.address, _FORMAT)
        about = json.loads(stored["about"].tobytes())
        left_out = {kind: LeftOut(*what) for kind, what in about["left_out"].items()}
        if tuple(about["stamp"]) != shard.stamp:
            return None
        return Samples(
            stored["labels"], stored["blocks"], stored["sizes"], about["names"], left_out
        )
    except (ValueError, KeyError, TypeError):  # half a file of a machine that went down
        return None
