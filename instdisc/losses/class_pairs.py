"""The rules of a loss asked once for the classes of the bank, not for each of its keys.

Legend: B queries, K bank keys, C keys of one slice, c those of them that are marked for any query,
D width, L range of the bank's labels, V classes in the bank, U classes that attract, n marked pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .products import Products
from .rules import EXCLUDED, MaskedPairs, Rules, lower_where


def pairs_by_class(
    rules: Rules, query: Tensor, bank_labels: Tensor, largest: int
) -> ClassPairs | MaskedPairs:
    """The cheapest way to the pairs that the rules mark.

    A rule looks at the two labels of a pair alone, so what it says of a class holds for all keys
    of it. That takes a look at the labels, for which only a CPU need not wait.

    Args:
        rules: of the batch.
        query: ``(B, D)``.
        bank_labels: ``(K,)`` int64.
        largest: range of labels up to which a table is made.

    Returns:
        By class where the bank is on a CPU and its labels lie close, else by mask.
    """
    if bank_labels.device.type != "cpu" or len(bank_labels) == 0:
        return MaskedPairs(rules, query)
    low, high = (int(label) for label in bank_labels.aminmax())
    if high - low >= min(largest, len(bank_labels)):
        return MaskedPairs(rules, query)
    return ClassPairs(rules, query, bank_labels, low, high - low + 1)


class ClassPairs:
    """Knows from a table of the classes which keys of a slice concern any query; has the methods of
    `MaskedPairs`.

    Args:
        rules: of the batch.
        query: ``(B, D)``; gives the dtype of the sums.
        bank_labels: ``(K,)`` int64.
        low: the lowest of them.
        length: L, the highest less the lowest plus 1.
    """

    def __init__(
        self, rules: Rules, query: Tensor, bank_labels: Tensor, low: int, length: int
    ) -> None:
        self._rules, self._low = rules, low
        self._bank_labels = self._offsets = bank_labels[:0]  # of the slice, set by `load`
        offsets = _present(bank_labels, low, length)  # (V,)
        attract, excluded = rules.masks(offsets + low)  # (B, V)
        self._sums = None if attract is None else _ClassSums(attract, offsets, length, query)
        self._excluded = None if excluded is None else _ClassRows(excluded, offsets, length)
        self._none = torch.zeros_like(query), query.new_zeros(len(query))

    def load(self, bank_labels: Tensor, products: Products) -> None:
        self._bank_labels, self._offsets = bank_labels, bank_labels - self._low
        if self._sums is not None:
            self._sums.add(self._offsets, products)

    def exclude(self, scores: Tensor) -> None:
        if self._excluded is None:
            return
        pairs = self._excluded.pairs(self._offsets, most=scores.numel() // 8)
        if pairs is not None:
            scores.view(-1).index_fill_(0, pairs, -EXCLUDED)
            return
        _, excluded = self._rules.masks(self._bank_labels)
        if excluded is not None:
            lower_where(excluded, scores)

    def positives(self) -> tuple[Tensor, Tensor]:
        return self._none if self._sums is None else self._sums.by_query()


class _ClassSums:
    """Sums of the keys of each class, from which those of each query follow.

    Args:
        mask: ``(B, V)`` bool, which classes attract each query.
        offsets: ``(V,)`` of the classes.
        length: L.
        query: ``(B, D)``.
    """

    def __init__(self, mask: Tensor, offsets: Tensor, length: int, query: Tensor) -> None:
        used = mask.any(0)
        self._mask = mask[:, used].to(query.dtype)  # (B, U)
        count = self._mask.shape[1]
        self._wanted = torch.zeros(length, dtype=torch.bool)
        self._wanted[offsets] = used
        self._place = torch.zeros(length, dtype=torch.int64)  # among the U
        self._place[offsets[used]] = torch.arange(count)
        self._sum = query.new_zeros(count, query.shape[1])
        self._count = torch.zeros(count, dtype=torch.int64)

    def add(self, offsets: Tensor, products: Products) -> None:
        columns = self._wanted.index_select(0, offsets).nonzero()[:, 0]  # (c,)
        places = self._place.index_select(0, offsets.index_select(0, columns))
        # A sum of each slice first: a long one after the other would lose digits.
        part = torch.zeros_like(self._sum)
        self._sum += part.index_add_(0, places, products.rows(columns))
        self._count += torch.bincount(places, minlength=len(self._count))

    def by_query(self) -> tuple[Tensor, Tensor]:
        return self._mask @ self._sum, self._mask @ self._count.to(self._mask.dtype)


class _ClassRows:
    """The queries that each class is marked for.

    Args:
        mask: ``(B, V)`` bool.
        offsets: ``(V,)`` of the classes.
        length: L.
    """

    def __init__(self, mask: Tensor, offsets: Tensor, length: int) -> None:
        self._rows = mask.T.nonzero()[:, 1].contiguous()  # class by class
        count = mask.sum(0)
        self._count = torch.zeros(length, dtype=torch.int64)
        self._count[offsets] = count
        self._first = torch.zeros(length, dtype=torch.int64)
        self._first[offsets] = count.cumsum(0) - count

    def pairs(self, offsets: Tensor, most: int) -> Tensor | None:
        """Positions ``(n,)`` in the flat ``(B, C)``; ``None`` if there are more than `most`."""
        columns = (self._count.index_select(0, offsets) > 0).nonzero()[:, 0]  # (c,)
        classes = offsets.index_select(0, columns)
        count = self._count.index_select(0, classes)
        end = count.cumsum(0)
        num = int(end[-1]) if len(end) else 0
        if num > most:
            return None
        skip = self._first.index_select(0, classes) - (end - count)  # from pair to row
        pair = torch.repeat_interleave(count, output_size=num)  # (n,), which of the columns
        rows = self._rows.index_select(0, skip.index_select(0, pair) + torch.arange(num))
        return rows * len(offsets) + columns.index_select(0, pair)


def _present(bank_labels: Tensor, low: int, length: int) -> Tensor:
    """Which of the labels from `low` on are there, as sorted offsets ``(V,)`` from it."""
    present = torch.zeros(length, dtype=torch.bool)
    for part in bank_labels.split(2**13):
        present.index_fill_(0, part - low, True)
    return present.nonzero()[:, 0]
