"""Which images a process takes of each global batch, and in which order.

Legend: B batch per process, N images, W processes, G = B W global batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DistributedSampler, Sampler, SequentialSampler

from instdisc.checks import refuse
from instdisc.distributed import rank, world_size

from .batches.orders import Keys
from .images.order import EpochOrder

_LARGEST = 2**31 - 1
_REMEDY = "The loader has an order of its own: set `shuffle`."


class EpochSampler(DistributedSampler):
    """Yields ``(epoch, index)``, batch by batch; process r takes its block of each global batch.

    In order, as for a test, it takes every W-th image from r instead, which may be one more.

    A `DistributedSampler` by name, so that Lightning leaves it in place. Rank and world are
    asked for when an epoch begins, since a loader may be made before the processes meet.

    Args:
        dataset: whose length counts, and its ``epoch_order`` and ``read_ahead`` if it has such, see
            `ImageSource`.
        batch_size: B.
        seed: of the order.
        shuffle: whether the order is random. If it is, all processes have as many images, for
            training; else each image is in one of them, and some may have one more.

    Attributes:
        skip: how many images of all processes the next pass, and only that, leaves out.
    """

    def __init__(self, dataset: Any, batch_size: int, *, seed: int, shuffle: bool) -> None:
        super().__init__(dataset, num_replicas=1, rank=0, shuffle=shuffle, seed=seed)
        self.batch_size = batch_size
        self.skip = 0

    @property
    def num_images(self) -> int:
        """Images of an epoch, of all processes, N."""
        return len(self.dataset)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        # Spent at once: a pass that is broken off must not shorten the one after it.
        skip, self.skip = self.skip, 0
        for keys in self.batches(self.epoch, skip):
            yield from keys

    def batches(self, epoch: int, start: int) -> Iterator[Keys]:
        """What this process takes of each global batch.

        Args:
            epoch: of the order.
            start: images of the epoch that were handed out to all processes before.
        """
        order = self._order(epoch)
        read_ahead = getattr(self.dataset, "read_ahead", None)
        ahead = read_ahead and read_ahead(map(_as_positions, self._shares(order, start)))
        try:
            for rows in self._shares(order, start):
                if ahead is not None:
                    ahead.step()
                if keys := [(epoch, index) for index in rows]:
                    yield keys
        finally:
            if ahead is not None:
                ahead.close()

    def starts(self, start: int, *, drop_last: bool) -> range:
        """At which image of the epoch each batch of this process begins.

        Args:
            start: of the first.
            drop_last: leave out the last, smaller batch.
        """
        size = self.batch_size * world_size()
        count, rest = divmod(self.num_images - start, size)
        needed = world_size() if self.shuffle else rank() + 1
        count += rest >= needed and not drop_last
        return range(start, start + count * size, size)

    def __len__(self) -> int:
        count, processes = self.num_images, world_size()
        return count // processes if self.shuffle else len(range(rank(), count, processes))

    def _order(self, epoch: int) -> EpochOrder | None:
        """Of an epoch; ``None`` for that of the data set."""
        if not self.shuffle:
            return None
        # Not seed + epoch: then run 1 would repeat run 0 one epoch later.
        seed = self.seed * 1_000_003 + epoch
        epoch_order = getattr(self.dataset, "epoch_order", None)
        order: EpochOrder | None = epoch_order and epoch_order(seed)
        if order is None:
            return EpochOrder(draw_order(self.num_images, seed))
        if len(order.rows) != self.num_images:
            raise ValueError(
                f"`dataset` must order its {self.num_images} images itself where it has others "
                f"than its source: {type(self.dataset).__name__}.epoch_order gives "
                f"{len(order.rows)}"
            )
        return order

    def _shares(self, order: EpochOrder | None, start: int) -> Iterator[list[int]]:
        """What this process has of each global batch."""
        count, size = self.num_images, self.batch_size * world_size()
        for first in range(start, count, size):
            if order is None:
                yield self._share(list(range(first, min(first + size, count))))
            else:
                yield self._share(order.batch(first, size).tolist())

    def _share(self, part: list[int]) -> list[int]:
        if self.shuffle:
            return share_of(part[: len(part) // world_size() * world_size()])
        return part[rank() :: world_size()]


def _as_positions(rows: list[int]) -> Tensor:
    return torch.tensor(rows, dtype=torch.int64)


def draw_order(count: int, seed: int) -> Tensor:
    """A random order of N images, ``(N,)``: 4 bytes of an image, 8 of more than 2**31.

    Args:
        count: of images, N.
        seed: another one has another order.

    Example:
        >>> draw_order(5, seed=1)
        tensor([0, 4, 2, 3, 1], dtype=torch.int32)
    """
    generator = torch.Generator().manual_seed(seed)
    # torch draws the same numbers for both types.
    dtype = torch.int32 if count <= _LARGEST else torch.int64
    return torch.randperm(count, generator=generator, dtype=dtype)


class OrderedSampler(EpochSampler, SequentialSampler):
    """One without shuffling, which Lightning sees by its name."""


def is_made_again(sampler: Sampler | None, batch_sampler: object) -> bool:
    """Whether Lightning makes a loader again: with a new order, or with that loader's.

    Raises:
        ValueError: if a sampler is neither.
    """
    if batch_sampler is not None:
        refuse("batch_sampler", "None", batch_sampler, _REMEDY)
    if not isinstance(sampler, SequentialSampler | DistributedSampler | None):
        refuse("sampler", "None", sampler, _REMEDY)
    return sampler is not None


def share_of(rows: list[Any]) -> list[Any]:
    """The block of this process in the rows of all.

    Args:
        rows: of all processes, as many of each.

    Example:
        >>> share_of([3, 1, 2])  # the only process
        [3, 1, 2]
    """
    size = len(rows) // world_size()
    return rows[rank() * size : (rank() + 1) * size]
