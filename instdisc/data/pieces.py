"""Batches that several workers make together, each a piece of them.

Legend: B batch, W workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from instdisc.heap import keep_freed_blocks

from .slots import BatchForm, SharedSlots
from .views.dataset import RawViews, UncutViews, ViewDataset

_PIECE = 8 * 2**20  # bytes: takes much longer to make than to ask for
_AHEAD = 4  # pieces that a worker may have in advance
Keys = Sequence[tuple[int, int]]


class SharedBatch:
    """A batch in a slot that will be used again.

    Args:
        block: the slot.
        form: how the batch lies in it.
        count: of images.

    Attributes:
        copied: the event at which the slot is free; ``None`` if it is free as soon as the next
            batch is asked for.
    """

    def __init__(self, block: Tensor, form: BatchForm, count: int) -> None:
        self._block, self._form, self._count = block, form, count
        self.copied: torch.cuda.Event | None = None

    def bring(self, device: torch.device) -> RawViews | UncutViews:
        """The batch on a device, by one copy; on the CPU itself, as it lies there."""
        block = self._block.to(device, non_blocking=device.type == "cuda")
        batch = self._form.read(block, self._count)
        # Whoever keeps these must not keep the block, nor find the next batch's in them.
        return batch._replace(labels=batch.labels.clone(), indices=batch.indices.clone())


class PieceLoader:
    """Batches of a data set that workers put together, piece by piece, in shared memory.

    A batch is written once and never copied between processes; some slots hold all that is made
    in advance; and the first batch comes in a share of the time that it takes a single worker.

    Args:
        dataset: makes the pieces.
        batch_size: B.
        num_workers: W, at least 1.
        batches: gives the keys of the batches of an epoch, from a batch on.
        goes_on: whether workers begin the next epoch while the last batches of one are used.
        generator: of the workers' seeds.
        page_lock: let a GPU copy from the slots by itself.
    """

    def __init__(
        self,
        dataset: ViewDataset,
        batch_size: int,
        *,
        num_workers: int,
        batches: Callable[[int, int], Iterator[Keys]],
        goes_on: bool,
        generator: torch.Generator,
        page_lock: bool = False,
    ) -> None:
        self._form = BatchForm(dataset, batch_size)
        num_pieces = max(1, min(batch_size, round(self._form.num_bytes / _PIECE)))
        # What is made in advance, the batch that is put together, and that which is being copied.
        num_slots = -(-_AHEAD * num_workers // num_pieces) + 2
        self._slots = SharedSlots(num_slots, self._form.num_bytes)
        self._page_lock = page_lock
        size = -(-batch_size // num_pieces)
        self._orders = _Orders(batches, num_pieces, size, num_slots, goes_on)
        self._loader = DataLoader(
            _Pieces(dataset, self._form, self._slots),
            batch_sampler=self._orders,
            num_workers=num_workers,
            collate_fn=_as_it_is,
            prefetch_factor=_AHEAD,
            persistent_workers=True,
            generator=generator,
            worker_init_fn=_prepare,
        )
        self._pieces: Iterator[_Made] | None = None
        self._next = (-1, -1)  # the epoch and the batch that the pieces stand at
        self._in_use: list[SharedBatch] = []

    def run(self, epoch: int, first: int, end: int) -> Iterator[SharedBatch]:
        """Batches `first` to `end` - 1 of an epoch that has `end`.

        When a batch is asked for, the one before may still be copied from its slot, but no other.
        """
        for number in range(first, end):
            self._release(1)
            if self._pieces is None or self._next != (epoch, number):
                self._begin(epoch, number)
            self._next = (-1, -1)  # if this fails or is broken off
            batch = self._assemble()
            self._in_use.append(batch)
            if number + 1 < end:
                self._next = (epoch, number + 1)
            elif self._orders.goes_on:
                self._next = (epoch + 1, 0)
            yield batch

    def _begin(self, epoch: int, number: int) -> None:
        self._release(0)
        self._orders.start = (epoch, number)
        self._pieces = iter(self._loader)  # waits for what the workers still write
        if self._page_lock:
            self._slots.page_lock()  # after the workers were started, which cannot use it

    def _assemble(self) -> SharedBatch:
        assert self._pieces is not None
        for piece in self._pieces:
            if piece.last:
                return SharedBatch(self._slots[piece.slot], self._form, piece.end)
        raise AssertionError("the pieces ended within a batch")

    def _release(self, num_left: int) -> None:
        """Waits until at most so many slots are being copied from."""
        while len(self._in_use) > num_left:
            batch = self._in_use.pop(0)
            if batch.copied is not None:
                batch.copied.synchronize()


class _Order(NamedTuple):
    """What a worker is asked for: some rows of a batch, perhaps none."""

    keys: Keys
    slot: int
    row: int  # of the first
    last: bool  # of the batch's pieces


class _Made(NamedTuple):
    """What a worker answers."""

    slot: int
    end: int  # the row after the last
    last: bool


class _Orders:
    """The orders for all pieces, epoch after epoch; every batch has as many, so that those that
    are made in advance fill a number of slots that is known.
    """

    def __init__(
        self,
        batches: Callable[[int, int], Iterator[Keys]],
        num_pieces: int,
        size: int,
        num_slots: int,
        goes_on: bool,
    ) -> None:
        self.batches, self.num_slots = batches, num_slots
        self.num_pieces, self.size = num_pieces, size
        self.goes_on = goes_on
        self.start = (0, 0)  # epoch and batch

    def __iter__(self) -> Iterator[Any]:  # what torch takes for a list of indices
        epoch, first = self.start
        number = 0
        while True:
            for keys in self.batches(epoch, first):
                for piece in range(self.num_pieces):
                    row = min(piece * self.size, len(keys))
                    last = piece == self.num_pieces - 1
                    some = keys[row : row + self.size]
                    yield _Order(some, number % self.num_slots, row, last)
                number += 1
            if not self.goes_on:
                return
            epoch, first = epoch + 1, 0


class _Pieces(Dataset):
    """The workers' part."""

    def __init__(self, dataset: ViewDataset, form: BatchForm, slots: SharedSlots) -> None:
        self._dataset, self._form, self._slots = dataset, form, slots

    def __getitems__(self, order: _Order) -> _Made:
        if order.keys:
            batch = self._dataset.batch(order.keys)
            self._form.write(self._slots[order.slot], order.row, batch)
        return _Made(order.slot, order.row + len(order.keys), order.last)


def _prepare(worker: int) -> None:
    keep_freed_blocks()


def _as_it_is(piece: Any) -> Any:
    return piece
