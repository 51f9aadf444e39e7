"""Many paths in little memory."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np


class PackedPaths:
    """Paths as one string of bytes and the places where each begins and ends.

    A path costs its length and 8 bytes: a quarter of an array of str, a third to a fifth of a list.
    Worker processes that are forked share all of it, since no path is an object that is counted.

    Args:
        data: the paths, one right after the other, as `os.fsencode` gives them.
        offsets: ``(N + 1,)`` int64; path ``i`` is ``data[offsets[i]:offsets[i + 1]]``.

    Example:
        >>> paths = PackedPaths.pack(["cat/1.jpg", "cat/2.jpg", "dog/1.jpg"])
        >>> len(paths), paths[1], list(paths.part(1, 3))
        (3, 'cat/2.jpg', ['cat/2.jpg', 'dog/1.jpg'])
    """

    def __init__(self, data: bytes, offsets: np.ndarray) -> None:
        self.data = data
        self.offsets = offsets

    @classmethod
    def pack(cls, paths: Iterable[str]) -> PackedPaths:
        """The same paths in the same order."""
        encoded = [os.fsencode(path) for path in paths]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(path) for path in encoded], out=offsets[1:])
        return cls(b"".join(encoded), offsets)

    @classmethod
    def join(cls, parts: Sequence[PackedPaths]) -> PackedPaths:
        """The paths of all parts, one part after the other."""
        lengths = [np.diff(part.offsets) for part in parts]
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), *lengths]).cumsum()
        return cls(b"".join(part.data for part in parts), offsets)

    def part(self, start: int, stop: int) -> PackedPaths:
        """The paths from `start` to before `stop`."""
        offsets = self.offsets[start : stop + 1]
        return PackedPaths(self.data[offsets[0] : offsets[-1]], offsets - offsets[0])

    def take(self, rows: np.ndarray) -> PackedPaths:
        """The paths at some places, ``(M,)`` int64, in that order."""
        names = self.encoded()
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(np.diff(self.offsets)[rows], out=offsets[1:])
        return PackedPaths(b"".join([names[row] for row in rows.tolist()]), offsets)

    def encoded(self) -> list[bytes]:
        """The paths as `os.fsencode` gives them."""
        places = itertools.pairwise(self.offsets.tolist())
        return [self.data[start:stop] for start, stop in places]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> str:
        index = range(len(self))[index]
        return os.fsdecode(self.data[self.offsets[index] : self.offsets[index + 1]])
