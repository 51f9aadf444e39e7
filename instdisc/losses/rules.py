"""What the two rules of a loss mean for a slice of the bank: masks of all pairs.

Legend: B queries, C keys of one slice, D width, n marked pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .products import Products

Rule = Callable[[Tensor, Tensor], Tensor | None]

# What a similarity of an excluded key is lowered by: below every real one, yet finite, so that a
# row without any key gives no inf - inf.
EXCLUDED = 1e30


class Rules(NamedTuple):
    """The rules of a loss for the queries of one batch.

    Attributes:
        labels: ``(B,)`` int64.
        positives: marks the bank keys of a slice that attract; see `ContrastiveLoss`.
        negatives: marks those that repel.
    """

    labels: Tensor
    positives: Rule
    negatives: Rule

    def masks(self, bank_labels: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Which keys attract, and which neither attract nor repel.

        Args:
            bank_labels: ``(C,)`` int64.

        Returns:
            Two ``(B, C)`` bool, or ``None`` for none.

        Raises:
            ValueError: if a rule returns anything but ``None`` or a bool ``(B, C)``.
        """
        shape = len(self.labels), len(bank_labels)
        attract = _checked(self.positives(self.labels, bank_labels), "positives", *shape)
        repel = _checked(self.negatives(self.labels, bank_labels), "negatives", *shape)
        if repel is None:
            return attract, None
        return attract, ~(repel if attract is None else repel | attract)


class MaskedPairs:
    """Asks the rules about each slice; for any device and any labels.

    Args:
        rules: of the batch.
        query: ``(B, D)``; gives the dtype and device of the sums.
        counts_keys: whether `num_keys` will be asked for.
    """

    def __init__(self, rules: Rules, query: Tensor, *, counts_keys: bool = False) -> None:
        self._rules = rules
        self._counts_keys = counts_keys
        self._num_keys = query.new_zeros(len(query))
        self._attract: Tensor | None = None
        self._excluded: Tensor | None = None
        self._positive_sum = torch.zeros_like(query)
        self._num_positives = query.new_zeros(len(query))

    def load(self, bank_labels: Tensor) -> None:
        """Takes the labels ``(C,)`` of the next slice."""
        self._attract, self._excluded = self._rules.masks(bank_labels)
        if self._counts_keys:
            self._num_keys += count_kept(self._excluded, len(bank_labels))

    def exclude(self, scores: Tensor) -> None:
        """Lowers what neither attracts nor repels in the slice's ``(B, C)``, in place."""
        if self._excluded is not None:
            lower_where(self._excluded, scores)

    def add_positives(self, products: Products) -> None:
        """Adds the slice's keys that attract, which `products` holds, to their sum."""
        if self._attract is not None:
            add_masked_rows(self._attract, products, self._positive_sum, self._num_positives)

    def positives(self) -> tuple[Tensor, Tensor]:
        """Of all slices the sum of the keys that attract, ``(B, D)``, and how many ``(B,)``."""
        return self._positive_sum, self._num_positives

    def num_keys(self) -> Tensor:
        """How many keys of all slices attract or repel each query, ``(B,)``."""
        return self._num_keys


def count_kept(excluded: Tensor | None, num_keys: int) -> Tensor | int:
    """How many of so many keys each row of the mask ``(B, C)``, or ``None``, leaves."""
    return num_keys if excluded is None else num_keys - excluded.sum(1)


def can_look(device: torch.device) -> bool:
    """Whether the program may choose by values there without waiting for the device."""
    return device.type == "cpu"


def lower_where(mask: Tensor, scores: Tensor) -> None:
    """Lowers the scores that `mask` marks by `EXCLUDED`, in place.

    Args:
        mask: ``(B, C)`` bool.
        scores: ``(B, C)``, far smaller than `EXCLUDED`.
    """
    marked = _few_marked(mask)
    if marked is None:
        scores.sub_(_as_float(mask, scores.dtype), alpha=EXCLUDED)
    else:
        scores[marked] = -EXCLUDED


def add_masked_rows(mask: Tensor, products: Products, total: Tensor, num_marked: Tensor) -> None:
    """Adds to each row of `total` the keys that its row of `mask` marks, and how many those are.

    Args:
        mask: ``(B, C)`` bool.
        products: has the slice loaded.
        total: ``(B, D)``, changed in place.
        num_marked: ``(B,)``, changed in place.
    """
    marked = _few_marked(mask)
    if marked is None:
        weights = _as_float(mask, products.dtype)
        num_marked += weights.sum(1)
        products.add_weighted(total, weights)
    else:
        rows, columns = marked  # (n,), (n,)
        count = torch.bincount(rows, minlength=len(mask))
        first = count.cumsum(0) - count
        total += F.embedding_bag(columns, products.keys, first, mode="sum")
        num_marked += count


def _as_float(mask: Tensor, dtype: torch.dtype) -> Tensor:
    return mask.view(torch.uint8).to(dtype)  # a copy of bools takes several times as long


def _few_marked(mask: Tensor) -> tuple[Tensor, Tensor] | None:
    """Rows and columns of what is set; ``None`` where arithmetic with all pairs is faster.

    Few pairs are marked where there are many classes.
    """
    if not can_look(mask.device):
        return None
    mask = mask.contiguous()
    rows, columns = mask.shape
    if columns % 8 or mask.storage_offset() % 8:
        marked = mask.nonzero()
        return marked[:, 0], marked[:, 1]
    words = mask.view(torch.int64).nonzero()  # (w, 2): 8 flags at a time, most of them empty
    if len(words) * 48 > mask.numel():
        return None
    row, word = words.unbind(1)
    bits = mask.view(rows, columns // 8, 8)[row, word].nonzero()  # (n, 2)
    return row[bits[:, 0]], word[bits[:, 0]] * 8 + bits[:, 1]


def _checked(mask: Tensor | None, rule: str, count: int, length: int) -> Tensor | None:
    if mask is not None and (mask.dtype != torch.bool or mask.shape != (count, length)):
        raise ValueError(
            f"`{rule}` must return None or a bool tensor ({count}, {length}) for {count} labels "
            f"and {length} bank labels, got {mask.dtype} {tuple(mask.shape)}. It is called for "
            "slices of the bank or for its classes, so it must look at its arguments alone."
        )
    return mask
