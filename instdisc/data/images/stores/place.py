"""Shards in a store: found, looked at, and read from copies on this machine.

Legend: S shards.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from instdisc import checks

from ..address import Address
from ..shards.index_file import INDEX_BESIDE, ShardIndex, Wanted, read_index
from ..shards.opened import OpenFile, OpenShards
from ..shards.places import Place
from ..shards.samples import Rules, Samples, read_samples
from ..shards.stamps import Stamp
from ..text import read_lines
from .room import Room, touch
from .store import Entry, Store

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AT_ONCE = 4  # shards that are copied together where all are read
_TOUCH = 0.1  # seconds after which the use of a copy is noted again


class StoredShards(Place):
    """Shards at an address.

    Args:
        root: that all of them lie below.
        addresses: of those that were asked for by name, by their name below the root.
        entries: what the store tells of shards, by name; of others it is asked.
        store: reads them.
        room: for copies.
    """

    root: Address

    def __init__(
        self,
        root: Address,
        addresses: dict[str, Address],
        entries: dict[str, Entry],
        store: Store,
        room: Room,
    ) -> None:
        self.root, self.addresses, self.entries = root, addresses, entries
        self.store, self.room = store, room

    def address(self, name: str) -> Address:
        """Where a file lies."""
        return self.addresses.get(name) or self.root / name

    def stamps(self, names: Sequence[str]) -> list[Stamp]:
        unknown = [n for n in names if n not in self.entries or self.entries[n].stamp[0] < 0]
        told = self.store.entries([self.address(name) for name in unknown])
        self.entries |= dict(zip(unknown, told, strict=True))
        stamps = [self.entries[name].stamp for name in names]
        for name, (size, _) in zip(names, stamps, strict=True):
            if size < 0:
                rule = "in a store that tells the size of a file"
                checks.refuse("shards", rule, str(self.address(name)))
        largest = max(size for size, _ in stamps)
        if largest > self.room.limit:
            rule = f"at least the {largest:,} bytes of the largest shard"
            checks.refuse("room", rule, self.room.limit)
        return stamps

    def open(self, name: str, stamp: Stamp) -> OpenFile:
        """A copy of a shard, open for reading; copied now where there is none."""
        address = self.address(name)
        copy = partial(self._copy, address, stamp)
        return self.room.open(self._key(address, stamp), stamp[0], copy)

    def keep(self, name: str, stamp: Stamp) -> None:
        """Notes that the copy of a shard is needed, if there is one."""
        self.room.touch(self._key(self.address(name), stamp))

    def samples(self, name: str, stamp: Stamp, rules: Rules, *, keys: bool = False) -> Samples:
        opened = self.open(name, stamp)
        return read_samples(self.address(name), rules, keys=keys, file=opened.file)

    def map(
        self, function: Callable[[_Item], _Result], items: Sequence[_Item], num_bytes: int
    ) -> Iterator[_Result]:
        # Threads: they wait for the store more than for each other.
        threads = ThreadPoolExecutor(_AT_ONCE)
        try:
            yield from threads.map(function, items)
        finally:
            threads.shutdown(cancel_futures=True)

    def lines(self, name: str) -> list[str] | None:
        return self._beside(name, lambda file: [text for _, text in read_lines(file)])

    def opened(self, names: list[str], stamps: list[Stamp]) -> OpenShards:
        return CopiedShards(self, names, stamps)

    def index_beside(self, wanted: Wanted) -> tuple[list[str], ShardIndex] | None:
        """The index that `ImageShards.write_index` wrote; its shards are known by their sizes."""
        return self._beside(
            INDEX_BESIDE, lambda file: _read_beside(file, wanted, self.stamps(wanted.names))
        )

    def _beside(self, name: str, read: Callable[[Path], _Result]) -> _Result | None:
        """What is read from a copy of a file beside the shards; ``None`` if there is none."""
        content = self.store.read(self.root / name)
        if content is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_bytes(content)
            return read(file)

    def _copy(self, address: Address, stamp: Stamp, target: Path) -> None:
        self.store.copy(address, target, stamp)

    def _key(self, address: Address, stamp: Stamp) -> str:
        text = f"{address} {stamp}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class CopiedShards(OpenShards):
    """Reads bytes of the copies of shards.

    Args:
        place: where the shards lie.
        names: S of them.
        stamps: of each size and mark.
    """

    root: Address  # type: ignore[assignment]

    def __init__(self, place: StoredShards, names: list[str], stamps: list[Stamp]) -> None:
        self.place = place
        self._touched: dict[int, float] = {}
        super().__init__(place.root, names, stamps)  # type: ignore[arg-type]

    def read(self, shard: int, start: int, size: int) -> bytes:
        now = time.monotonic()
        if now > self._touched.get(shard, 0) + _TOUCH and shard in self._files:
            self._touched[shard] = now
            touch(self._files[shard].path)
        return super().read(shard, start, size)

    def fetch(self, shard: int) -> None:
        """Copies a shard if there is no copy."""
        self.place.open(self.names[shard], self.stamps[shard])

    def keep(self, shard: int) -> None:
        """Notes that the copy of a shard is needed."""
        self.place.keep(self.names[shard], self.stamps[shard])

    def __getstate__(self) -> dict[str, object]:
        return {"place": self.place, "names": self.names, "stamps": self.stamps}

    def _begin_reading(self, shard: int) -> OpenFile:
        return self.place.open(self.names[shard], self.stamps[shard])

    def _tidy(self) -> None:
        """Lets go of copies that are removed, whose bytes are free then."""
        for shard, opened in list(self._files.items()):
            if os.fstat(opened.file).st_nlink == 0:
                del self._files[shard]


def _read_beside(
    file: Path, wanted: Wanted, stamps: Sequence[Stamp]
) -> tuple[list[str], ShardIndex] | None:
    """What an index that came with the shards says of those that are as large as it says."""
    try:
        about, index = read_index(file)
    except (ValueError, KeyError, TypeError):
        return None
    if about["rules"] != list(wanted.rules):
        return None
    now = dict(zip(wanted.names, stamps, strict=True))
    same_size = [
        now[name] if name in now and now[name][0] == size else (-1, -1)
        for name, (size, _) in zip(about["shards"], index.stamps, strict=True)
    ]
    return about["shards"], index._replace(stamps=same_size)
