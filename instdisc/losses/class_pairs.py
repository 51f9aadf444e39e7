"""The rules of a loss asked once for the classes of the bank, not for each of its keys.

Legend: B queries, K bank keys, C keys of one slice, c those of them that are marked for any query,
D width, V classes in the bank, U classes that are marked for any query.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .classes import Classes
from .products import Products
from .rules import EXCLUDED, MaskedPairs, Rules, can_look, lower_where

_FEW = 1 / 8  # share of all pairs up to which it is faster to name them than to mask


def pairs_by_class(
    rules: Rules,
    query: Tensor,
    bank_labels: Tensor,
    slice_length: int,
    *,
    counts_keys: bool = False,
) -> ClassPairs | MaskedPairs:
    """The cheapest way to the pairs that the rules mark.

    A rule looks at the two labels of a pair alone, so what it says of a class holds for all keys
    of it. In a slice only the keys of those classes then matter that are marked for any query: 6 %
    of the keys with 64 queries of 1,000 classes, where masks of all pairs cost a fifth of the time
    of the products. The table takes a look at the labels, for which only a CPU need not wait.

    Args:
        rules: of the batch.
        query: ``(B, D)``.
        bank_labels: ``(K,)`` int64.
        slice_length: C.
        counts_keys: whether `num_keys` will be asked for.

    Returns:
        By class where the bank is on a CPU, takes several slices and has its labels within a range
        of 4 C; else by mask.

    Example:
        >>> other = lambda labels, bank_labels: labels[:, None] != bank_labels
        >>> every = lambda labels, bank_labels: None
        >>> labels, bank_labels = torch.tensor([5, 7]), torch.tensor([7, 5, 7, 6])
        >>> rules = Rules(labels, positives=every, negatives=other)
        >>> pairs = pairs_by_class(rules, torch.zeros(2, 8), bank_labels, slice_length=3)
        >>> scores = torch.zeros(2, 3)
        >>> pairs.load(bank_labels[:3])
        >>> pairs.exclude(scores)
        >>> scores < 0
        tensor([[False,  True, False],
                [ True, False,  True]])
    """
    if not can_look(bank_labels.device) or len(bank_labels) <= slice_length:
        # A table for a single slice would cost what it saves.
        return MaskedPairs(rules, query, counts_keys=counts_keys)
    low, high = (int(label) for label in bank_labels.aminmax())
    if high - low >= min(4 * slice_length, len(bank_labels)):  # as much as a slice
        return MaskedPairs(rules, query, counts_keys=counts_keys)
    classes = Classes(bank_labels, low, high - low + 1, slice_length)
    return ClassPairs(rules, query, classes, counts_keys=counts_keys)


class ClassPairs:
    """Knows from a table of the classes which keys of a slice concern any query; has the methods of
    `MaskedPairs`, and takes the slices in the order of the bank.

    Args:
        rules: of the batch.
        query: ``(B, D)``; gives the dtype of the sums.
        classes: of the bank.
        counts_keys: whether `num_keys` will be asked for.
    """

    def __init__(
        self, rules: Rules, query: Tensor, classes: Classes, *, counts_keys: bool = False
    ) -> None:
        self._rules = rules
        self._bank_labels = classes.bank_labels[:0]  # of the slice, set by `load`
        counts = classes.counts()
        offsets = counts.nonzero()[:, 0]  # (V,)
        counts = counts[offsets]  # (V,)
        attract, excluded = rules.masks(offsets + classes.low)  # (B, V)
        self._sums = (
            None if attract is None else _ClassSums(attract, offsets, counts, classes, query)
        )
        self._pairs = None if excluded is None else _ClassRows(excluded, offsets, counts, classes)
        self._excluded: Tensor | None = None
        self._num_keys = query.new_zeros(len(query))
        if counts_keys:
            self._num_keys += len(classes.bank_labels)
            if excluded is not None:
                self._num_keys -= excluded.to(query.dtype) @ counts.to(query.dtype)
        self._none = torch.zeros_like(query), query.new_zeros(len(query))

    def load(self, bank_labels: Tensor) -> None:
        """See `MaskedPairs`; so for the next four."""
        self._bank_labels = bank_labels
        if self._pairs is not None:
            self._excluded = self._pairs.of_slice(len(bank_labels))

    def exclude(self, scores: Tensor) -> None:
        if self._excluded is not None:
            scores.view(-1).index_fill_(0, self._excluded, -EXCLUDED)
        elif self._pairs is not None:
            _, excluded = self._rules.masks(self._bank_labels)
            if excluded is not None:
                lower_where(excluded, scores)

    def add_positives(self, products: Products) -> None:
        if self._sums is not None:
            self._sums.add_slice(products)

    def positives(self) -> tuple[Tensor, Tensor]:
        return self._none if self._sums is None else self._sums.by_query()

    def num_keys(self) -> Tensor:
        return self._num_keys


class _ClassSums:
    """Sums of the keys of each class, from which those of each query follow.

    Args:
        mask: ``(B, V)`` bool, which classes attract each query.
        offsets: ``(V,)`` of the classes.
        counts: ``(V,)``, how many keys they have.
        classes: of the bank.
        query: ``(B, D)``.
    """

    def __init__(
        self, mask: Tensor, offsets: Tensor, counts: Tensor, classes: Classes, query: Tensor
    ) -> None:
        used = mask.any(0)
        self._slices = classes.locate(offsets[used])
        self._mask = mask[:, used].to(query.dtype)  # (B, U)
        self._counts = counts[used].to(query.dtype)  # (U,)
        self._sums = query.new_zeros(len(self._counts), query.shape[1])

    def add_slice(self, products: Products) -> None:
        columns, places = next(self._slices)
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
        counts: ``(V,)``, how many keys they have.
        classes: of the bank.
    """

    def __init__(self, mask: Tensor, offsets: Tensor, counts: Tensor, classes: Classes) -> None:
        used = mask.any(0)
        marked = mask[:, used]  # (B, U)
        num_rows = marked.sum(0)
        most = int(num_rows.max()) if len(num_rows) else 0
        # Where much is marked, arithmetic with all pairs is faster.
        self._many = most * int(counts[used].sum()) > _FEW * len(mask) * len(classes.bank_labels)
        if self._many:
            return
        self._slices = classes.locate(offsets[used])
        places, rows = marked.T.nonzero().unbind(1)  # class by class
        first = num_rows.cumsum(0) - num_rows
        # (U, most): where a class has fewer queries the first of them again
        self._rows = rows[first][:, None].repeat(1, most)
        self._rows[places, torch.arange(len(places)) - first[places]] = rows

    def of_slice(self, length: int) -> Tensor | None:
        """Positions in the flat ``(B, C)``, some of them twice; ``None`` where they are many."""
        if self._many:
            return None
        columns, places = next(self._slices)
        return (self._rows.index_select(0, places) * length + columns[:, None]).view(-1)
