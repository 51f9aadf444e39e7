"""The rules of a loss asked once for the classes of the bank, not for each of its keys.

Legend: B queries, K bank keys, C keys of one slice, c those of them that are marked for any query,
D width, L range of the bank's labels, V classes in the bank, U classes that attract, n marked pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .products import Products
from .rules import EXCLUDED, MaskedPairs, Rules, lower_where

_FEW = 1 / 8  # share of all pairs up to which it is faster to name them than to mask


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
        counts = _count(bank_labels, low, length)
        offsets = counts.nonzero()[:, 0]  # (V,)
        attract, excluded = rules.masks(offsets + low)  # (B, V)
        self._sums = None if attract is None else _ClassSums(attract, offsets, counts, query)
        self._excluded = None if excluded is None else _ClassRows(excluded, offsets, counts)
        self._none = torch.zeros_like(query), query.new_zeros(len(query))

    def load(self, bank_labels: Tensor, products: Products) -> None:
        self._bank_labels, self._offsets = bank_labels, bank_labels - self._low
        if self._sums is not None:
            self._sums.add(self._offsets, products)

    def exclude(self, scores: Tensor) -> None:
        if self._excluded is None:
            return
        pairs = self._excluded.pairs(self._offsets)
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
        counts: ``(L,)``, how many keys of the bank each class has.
        query: ``(B, D)``.
    """

    def __init__(self, mask: Tensor, offsets: Tensor, counts: Tensor, query: Tensor) -> None:
        self._classes = _Classes(mask, offsets, len(counts))
        used = self._classes.used
        self._mask = mask[:, used].to(query.dtype)  # (B, U)
        self._counts = counts[offsets[used]].to(query.dtype)  # (U,)
        self._sums = query.new_zeros(len(self._counts), query.shape[1])

    def add(self, offsets: Tensor, products: Products) -> None:
        columns, places = self._classes.locate(offsets)
        # Of each slice apart, for a long sum of keys one after the other would lose digits.
        part = torch.zeros_like(self._sums).index_add_(0, places, products.rows(columns))
        self._sums += part

    def by_query(self) -> tuple[Tensor, Tensor]:
        return self._mask @ self._sums, self._mask @ self._counts


class _ClassRows:
    """The queries that each class is marked for.

    Args:
        mask: ``(B, V)`` bool.
        offsets: ``(V,)`` of the classes.
        counts: ``(L,)``, how many keys of the bank each class has.
    """

    def __init__(self, mask: Tensor, offsets: Tensor, counts: Tensor) -> None:
        self._classes = _Classes(mask, offsets, len(counts))
        used = self._classes.used
        marked = mask[:, used]  # (B, U)
        num_rows = marked.sum(0)
        most = int(num_rows.max()) if len(used) else 0
        # Where much is marked, arithmetic with all pairs is faster.
        self._many = most * int(counts[offsets[used]].sum()) > _FEW * len(mask) * int(counts.sum())
        if self._many:
            return
        places, rows = marked.T.nonzero().unbind(1)  # class by class
        first = num_rows.cumsum(0) - num_rows
        # (U, most): where a class has fewer queries the first of them again
        self._rows = rows[first][:, None].repeat(1, most)
        self._rows[places, torch.arange(len(places)) - first[places]] = rows

    def pairs(self, offsets: Tensor) -> Tensor | None:
        """Positions in the flat ``(B, C)``, some of them twice; ``None`` where they are many."""
        if self._many:
            return None
        columns, places = self._classes.locate(offsets)
        rows = self._rows.index_select(0, places)
        return (rows * len(offsets) + columns[:, None]).view(-1)


class _Classes:
    """Which keys of a slice are of a class that is marked for any query.

    Args:
        mask: ``(B, V)`` bool.
        offsets: ``(V,)`` of the classes.
        length: L.
    """

    def __init__(self, mask: Tensor, offsets: Tensor, length: int) -> None:
        self.used = mask.any(0).nonzero()[:, 0]  # (U,)
        used = offsets[self.used]
        self._is_used = torch.zeros(length, dtype=torch.bool).index_fill_(0, used, True)
        self._place = torch.zeros(length, dtype=torch.int64)
        self._place[used] = torch.arange(len(used))

    def locate(self, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Their columns ``(c,)`` in the slice, and the places of their classes among the U."""
        columns = self._is_used.index_select(0, offsets).nonzero()[:, 0]
        return columns, self._place.index_select(0, offsets.index_select(0, columns))


def _count(bank_labels: Tensor, low: int, length: int) -> Tensor:
    """How many keys of the bank have each label from `low` on: ``(L,)`` int64."""
    counts = torch.zeros(length, dtype=torch.int64)
    for part in bank_labels.split(2**14):  # not the whole, which would be copied
        counts += torch.bincount(part - low, minlength=length)
    return counts
