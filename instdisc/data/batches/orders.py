"""Which rows of which batch a worker makes next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from torch._utils import ExceptionWrapper

Keys = Sequence[tuple[int, int]]


class Order(NamedTuple):
    """What a worker is asked for.

    Attributes:
        number: of the batch, since the orders began.
        slot: where the batch is put together; ``None``: none is free, wait a little.
        row: of the first image.
        keys: ``(epoch, index)`` of some images; perhaps none.
    """

    number: int
    slot: int | None
    row: int = 0
    keys: Keys = ()


class Piece(NamedTuple):
    """What a worker answers.

    Attributes:
        number: of the batch; -1 if it only waited.
        end: the row after the last that was made.
        error: what was raised instead.
    """

    number: int
    end: int
    error: ExceptionWrapper | None = None


class Orders:
    """The orders for all pieces, batch after batch and epoch after epoch.

    Each batch has as many pieces, so that what is made in advance fills a number of slots that is
    known.

    Args:
        batches: gives the keys of the batches of an epoch, from an image on.
        num_pieces: of a batch.
        size: images of a piece.
        num_slots: room for batches.
        goes_on: whether an epoch follows the other.

    Attributes:
        num_released: batches whose slots may be used again.
    """

    def __init__(
        self,
        batches: Callable[[int, int], Iterator[Keys]],
        num_pieces: int,
        size: int,
        num_slots: int,
        goes_on: bool,
    ) -> None:
        self.batches, self.goes_on = batches, goes_on
        self.num_pieces, self.size, self.num_slots = num_pieces, size, num_slots
        self.num_released = 0
        self._start = (0, 0)

    def begin(self, epoch: int, start: int) -> None:
        """Lets the orders that come next begin at an image of an epoch; all slots are free."""
        self.num_released, self._start = 0, (epoch, start)

    def __iter__(self) -> Iterator[Any]:  # what torch takes for a list of indices
        for number, keys in enumerate(self._all_batches()):
            for piece in range(self.num_pieces):
                # A piece that comes late holds up its batch, and so the slots of those after it.
                while number >= self.num_released + self.num_slots:
                    yield Order(-1, None)
                row = min(piece * self.size, len(keys))
                some = keys[row : row + self.size]
                yield Order(number, number % self.num_slots, row, some)

    def _all_batches(self) -> Iterator[Keys]:
        epoch, start = self._start
        while True:
            yield from self.batches(epoch, start)
            if not self.goes_on:
                return
            epoch, start = epoch + 1, 0
