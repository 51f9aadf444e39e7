"""Which keys of each slice of a bank are of certain classes.

Legend: K bank keys, C keys of one slice, c those of them that are of these classes, L range of the
labels, U classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Classes(NamedTuple):
    """The labels of the bank as small numbers.

    Attributes:
        bank_labels: ``(K,)`` int64.
        low: the lowest of them; the offset of a label is what it is higher.
        length: L, the highest offset plus 1.
        slice_length: C.

    Example:
        >>> classes = Classes(torch.tensor([5, 7, 5, 6]), low=5, length=3, slice_length=2)
        >>> classes.counts()
        tensor([2, 1, 1])
        >>> [columns.tolist() for columns, _ in classes.locate(torch.tensor([0]))]  # of label 5
        [[0], [0]]
    """

    bank_labels: Tensor
    low: int
    length: int
    slice_length: int

    def counts(self) -> Tensor:
        """How many keys of the bank have each offset: ``(L,)`` int64."""
        counts = torch.zeros(self.length, dtype=torch.int64)
        for offsets in self._blocks():
            counts += torch.bincount(offsets, minlength=self.length)
        return counts

    def locate(self, used: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Which keys of each slice are of certain classes.

        Args:
            used: ``(U,)`` offsets of the classes.

        Yields:
            For each slice the columns ``(c,)`` and the places of their classes among the U.
        """
        is_used = torch.zeros(self.length, dtype=torch.bool).index_fill_(0, used, True)
        place = torch.zeros(self.length, dtype=torch.int64)
        place[used] = torch.arange(len(used))
        for offsets in self._blocks():
            keys = is_used.index_select(0, offsets).nonzero()[:, 0]
            places = place.index_select(0, offsets.index_select(0, keys))
            starts = torch.arange(0, len(offsets), self.slice_length)
            bounds = torch.searchsorted(keys, starts)[1:].tolist()
            parts = keys.tensor_split(bounds), places.tensor_split(bounds)
            for start, keys_of_slice, places_of_slice in zip(starts.tolist(), *parts, strict=True):
                yield keys_of_slice - start, places_of_slice

    def _blocks(self) -> Iterator[Tensor]:
        """The offsets of several slices at once: calls for each would cost more than their work."""
        for part in self.bank_labels.split(max(1, 2**16 // self.slice_length) * self.slice_length):
            yield part - self.low
