"""Batches that several workers make together, each a piece of them.

Legend: B batch, W workers.
"""

from __future__ import annotations

import pickle
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch._utils import ExceptionWrapper
from torch.utils.data import DataLoader, Dataset

from instdisc.heap import keep_freed_blocks
from instdisc.types import Views

from ..views.dataset import RawViews, UncutViews
from .blocks import BlockForm
from .orders import Keys, Order, Orders, Piece
from .signals import leave_requeue_to_the_run
from .slots import SharedSlots

_PIECE = 8 * 2**20  # bytes: takes much longer to make than to ask for
_AHEAD = 4  # pieces that a worker may have in advance
_PAUSE = 0.005  # seconds


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

    def __init__(self, block: Tensor, form: BlockForm, count: int) -> None:
        self._block, self._form, self._count = block, form, count
        self.copied: torch.cuda.Event | None = None

    def bring(self, device: torch.device) -> RawViews | UncutViews:
        """The batch on a device."""
        return self._form.bring(self._block, self._count, device)

    def leave(self, views: Views) -> Views:
        """The views of the batch, none of them in the slot, where another batch's will be."""
        slots = self._block.untyped_storage().data_ptr()
        images = [
            image.clone() if image.untyped_storage().data_ptr() == slots else image
            for image in views.images
        ]
        return views._replace(images=images)


class PieceLoader:
    """Batches that workers put together, piece by piece, in shared memory.

    A batch is written once and never copied between processes; some slots hold all that is made
    in advance; the first batch comes in a share of the time that it takes a single worker; and a
    slow worker makes fewer pieces, not the others wait.

    Args:
        form: how a batch is made and lies in its slot.
        num_workers: W, at least 1.
        batches: gives the keys of the batches of an epoch, from an image on.
        goes_on: whether workers begin the next epoch while the last batches of one are used.
        generator: of the workers' seeds.
        page_lock: let a GPU copy from the slots by itself.
    """

    def __init__(
        self,
        form: BlockForm,
        *,
        num_workers: int,
        batches: Callable[[int, int], Iterator[Keys]],
        goes_on: bool,
        generator: torch.Generator,
        page_lock: bool = False,
    ) -> None:
        self._form = form
        batch_size = form.batch_size
        num_pieces = max(1, min(batch_size, round(self._form.num_bytes / _PIECE)))
        # What is made in advance, two more for pieces that come late, the batch that is put
        # together, and that which is being copied.
        num_slots = -(-_AHEAD * num_workers // num_pieces) + 4
        self._slots = SharedSlots(num_slots, self._form.num_bytes)
        self._page_lock = page_lock
        size = -(-batch_size // num_pieces)
        self._orders = Orders(batches, num_pieces, size, num_slots, goes_on)
        self._loader = DataLoader(
            _Pieces(self._form, self._slots),
            batch_sampler=self._orders,
            num_workers=num_workers,
            collate_fn=_as_it_is,
            prefetch_factor=_AHEAD,
            persistent_workers=True,
            generator=generator,
            worker_init_fn=_prepare,
            in_order=False,
        )
        # Held from outside: if the garbage collector took it together with its queues, as it does
        # after an error whose traceback holds both, it would wait five seconds for each worker.
        weakref.finalize(self, _let_go, self._loader)
        self._pieces: Iterator[Piece] | None = None
        self._next = (-1, -1)  # the epoch and the image of it that the pieces stand at
        self._number = 0  # of that batch, since the pieces began
        self._made: defaultdict[int, list[Piece]] = defaultdict(list)  # by number of the batch
        self._in_use: list[SharedBatch] = []

    def run(self, epoch: int, starts: range) -> Iterator[SharedBatch]:
        """The last batches of an epoch.

        When a batch is asked for, the one before may still be copied from its slot, but no other.

        Args:
            epoch: of the order.
            starts: the image at which each of them begins; images of all processes count.
        """
        for start in starts:
            self._release(1)
            if self._pieces is None or self._next != (epoch, start):
                self._begin(epoch, start)
            self._next = (-1, -1)  # if this fails or is broken off
            batch = self._assemble()
            self._in_use.append(batch)
            if start != starts[-1]:
                self._next = (epoch, start + starts.step)
            elif self._orders.goes_on:
                self._next = (epoch + 1, 0)
            yield batch

    def _begin(self, epoch: int, start: int) -> None:
        self._release(0)
        self._made.clear()
        self._number = 0
        self._orders.begin(epoch, start)
        if _misses_workers(self._loader):
            _let_go(self._loader)  # all of them: new ones begin
        self._pieces = iter(self._loader)  # waits for what the workers still write
        if self._page_lock:
            self._slots.page_lock()  # after the workers were started, which cannot use it

    def _assemble(self) -> SharedBatch:
        assert self._pieces is not None
        pieces = self._made[self._number]
        while len(pieces) < self._orders.num_pieces:
            try:
                piece = next(self._pieces)
            except RuntimeError as error:
                if not _misses_workers(self._loader):
                    raise
                raise RuntimeError(
                    f"a worker of the data loader ended while it made a batch: {error}. Most often "
                    "the system kills one for want of memory: take fewer `num_workers`. The next "
                    "epoch or run begins with new workers."
                ) from error
            if piece.number >= 0:
                self._made[piece.number].append(piece)
        for piece in sorted(self._made.pop(self._number), key=lambda piece: piece.end):
            if piece.error is not None:
                piece.error.reraise()
        block = self._slots[self._number % self._orders.num_slots]
        self._number += 1
        return SharedBatch(block, self._form, max(piece.end for piece in pieces))

    def _release(self, num_left: int) -> None:
        """Waits until at most so many slots are being copied from."""
        while len(self._in_use) > num_left:
            batch = self._in_use.pop(0)
            if batch.copied is not None:
                batch.copied.synchronize()
            self._orders.num_released += 1


class _Pieces(Dataset):
    """The workers' part."""

    def __init__(self, form: BlockForm, slots: SharedSlots) -> None:
        self._form, self._slots = form, slots

    def __getitems__(self, order: Order) -> Piece:
        if order.slot is None:
            time.sleep(_PAUSE)
            return Piece(-1, 0)
        try:
            if order.keys:
                self._form.make(self._slots[order.slot], order.row, order.keys)
        except Exception:  # raised when the batch's turn comes
            return Piece(order.number, order.row, _error())
        return Piece(order.number, order.row + len(order.keys))


def _error() -> ExceptionWrapper:
    """What is being handled, so that another process can read it: else it would wait for ever."""
    error = ExceptionWrapper(where="in a worker process")
    try:
        pickle.dumps(error)
    except Exception:  # of a class in a function, say
        error.exc_type = RuntimeError
    return error


def _let_go(loader: Any) -> None:
    loader._iterator = None  # its workers end with it


def _misses_workers(loader: Any) -> bool:
    """Whether a worker of a loader was killed."""
    workers = getattr(loader._iterator, "_workers", ())
    return any(not worker.is_alive() for worker in workers)


def _prepare(worker: int) -> None:
    leave_requeue_to_the_run(worker)
    keep_freed_blocks()


def _as_it_is(piece: Any) -> Any:
    return piece
