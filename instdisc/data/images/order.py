"""The order of an epoch over a set that lies in parts of which not all are at hand at once.

Legend: N images, S shards, L lanes, w shards of a lane between which its images are mixed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_LARGEST = 2**31 - 1


class EpochOrder(NamedTuple):
    """In which order the images of an epoch are read.

    Attributes:
        rows: ``(N,)`` positions of the images, each once.
        lanes: L; the images at k, k + L, k + 2 L and so on are a lane. Lanes share few shards, so
            that a process which reads some of them alone needs few of all shards.
    """

    rows: Tensor
    lanes: int = 1

    def batch(self, first: int, size: int) -> Tensor:
        """Some images that come one after the other, those of one lane together.

        Args:
            first: place in the order of the first of them.
            size: how many; fewer at the end.

        Example:
            >>> EpochOrder(torch.arange(10), lanes=2).batch(3, 6)
            tensor([4, 6, 8, 3, 5, 7])
        """
        rows = self.rows[first : first + size]
        starts = [(lane - first) % self.lanes for lane in range(self.lanes)]
        return rows if self.lanes == 1 else torch.cat([rows[s :: self.lanes] for s in starts])


def draw_by_shards(counts: np.ndarray, *, seed: int, window: int, lanes: int) -> EpochOrder:
    """A random order that needs few shards at a time: at most ``max(window, lanes)`` of them.

    The shards stand in random order, and their images, each shard's in random order, are cut into
    L lanes of equal length; the second lane is gone through backwards, and so each other one after
    it, so that a shard which two lanes share is read in both at the same time. A lane goes from
    w = window / L shards to the w that begin one later, and so on, and shuffles what it takes of
    each w: of a shard all that is left where it is the first of them, else an equal part. Then an
    image of each lane in turn makes the order.

    Args:
        counts: ``(S,)`` images of each shard, which follow each other in the set.
        seed: another one has another order.
        window: shards between which images are mixed, in all lanes together.
        lanes: L.

    Example:
        >>> draw_by_shards(np.array([2, 2, 2, 2]), seed=1, window=2, lanes=2).rows.tolist()
        [3, 0, 2, 1, 6, 5, 7, 4]
    """
    generator = torch.Generator().manual_seed(seed)
    total = int(counts.sum())
    dtype = torch.int32 if total <= _LARGEST else torch.int64
    order = torch.empty(total, dtype=dtype)
    shards = _shuffled_shards(counts, generator, dtype)
    rest = order[:0]
    for lane in range(lanes):
        pieces, rest = _take(rest, shards, len(range(lane, total, lanes)))
        parts = _mixed(pieces[::-1] if lane % 2 else pieces, max(1, window // lanes), generator)
        place = lane
        for part in parts:
            end = place + len(part) * lanes
            order[place:end:lanes] = part
            place = end
    return EpochOrder(order, lanes)


def _shuffled_shards(
    counts: np.ndarray, generator: torch.Generator, dtype: torch.dtype
) -> Iterator[Tensor]:
    """The images of each shard, shuffled, for shards in random order."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).tolist()
    for shard in torch.randperm(len(counts), generator=generator).tolist():
        if counts[shard]:
            rows = torch.randperm(int(counts[shard]), generator=generator, dtype=dtype)
            yield rows.add_(starts[shard])


def _take(rest: Tensor, shards: Iterator[Tensor], size: int) -> tuple[list[Tensor], Tensor]:
    """The next shards of so many images, the last of them perhaps in part; and its rest."""
    pieces = []
    while size:
        piece = rest if len(rest) else next(shards)
        pieces.append(piece[:size])
        rest = piece[size:]
        size -= len(pieces[-1])
    return pieces, rest


def _mixed(pieces: list[Tensor], width: int, generator: torch.Generator) -> Iterator[Tensor]:
    """What a lane takes of each w of its shards, shuffled."""
    steps = max(min(1, len(pieces)), len(pieces) - width + 1)
    taken: list[list[Tensor]] = [[] for _ in range(width)]  # of this step and those that follow
    entered = 0
    for step in range(steps):
        last = len(pieces) if step == steps - 1 else step + width
        for number in range(entered, min(last, len(pieces))):
            # A shard is among the w from this step on until it is the first of them.
            ends = min(number, steps - 1)
            for later, part in enumerate(_split(pieces[number], ends - step + 1, generator)):
                taken[later].append(part)
        entered = last
        rows = torch.cat(taken.pop(0))
        taken.append([])
        mixed = torch.randperm(len(rows), generator=generator, dtype=torch.int32)
        yield rows.index_select(0, mixed)  # faster than rows[mixed]


def _split(rows: Tensor, number: int, generator: torch.Generator) -> Iterator[Tensor]:
    """So many parts of equal size, where they are not of equal size by chance."""
    offset = int(torch.randint(number, (), generator=generator))
    ends = [(part * len(rows) + offset) // number for part in range(number + 1)]
    return (rows[start:end] for start, end in itertools.pairwise(ends))
