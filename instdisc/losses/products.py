"""The matrix products of a sweep with one slice of the bank, by the dtype and library that pay.

Legend: B queries, C keys of one slice, D width, n marked pairs.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F


class Products:
    """Similarities of the queries to a slice of keys, and weighted sums of these keys.

    Everything written is of the queries' dtype. A bfloat16 slice is multiplied in bfloat16 where
    the hardware does so natively, with sums in float32; elsewhere, and in any other dtype, the
    slice is converted first. What bfloat16 products cost: queries and weights are rounded to 8 bits
    (relative error up to 0.4 %, random), and on a CPU the similarities too, for torch has no
    bfloat16 product with a float32 result there. On features in 100 clusters, at T = 0.07 and 0.2,
    that changed the loss by less than 1e-4 and the gradient by less than 1 %; the rounded keys
    alone by less than 0.1 %.

    Args:
        query: ``(B, D)``.
        bank_dtype: of the slices.
    """

    def __init__(self, query: Tensor, bank_dtype: torch.dtype) -> None:
        self.dtype = query.dtype
        narrow = query.dtype == torch.float32 and multiplies_natively(bank_dtype, query.device)
        self._factor_dtype = bank_dtype if narrow else query.dtype
        self._query = query.to(self._factor_dtype)
        self._keys = self._query  # (C, D), set by `load`

    def load(self, keys: Tensor) -> None:
        """Takes the next slice ``(C, D)``."""
        self._keys = keys.to(self._factor_dtype)

    @property
    def keys(self) -> Tensor:
        """The slice ``(C, D)`` in the queries' dtype."""
        return self._keys.to(self.dtype)

    def scores(self) -> Tensor:
        """The similarities ``(B, C)``, which are the caller's to change."""
        return _mm(self._query, self._keys.T).to(self.dtype)

    def add_weighted(self, total: Tensor, weights: Tensor) -> None:
        """Adds ``weights @ keys``, (B, C) times (C, D), to `total` in place."""
        total.add_(self.weighted_sum(weights))

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """``weights @ keys``, (B, C) times (C, D)."""
        return _mm(weights.to(self._factor_dtype), self._keys)


def multiplies_natively(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether products of bfloat16 are faster on the device than those of float32."""
    if dtype != torch.bfloat16:
        return False
    if device.type == "cuda":
        return torch.version.hip is None and torch.cuda.is_bf16_supported(including_emulation=False)
    # The only names there are, and private; without them the slices are converted, never wrong.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in names)


def lower_where(mask: Tensor, scores: Tensor, by: float) -> None:
    """Lowers the scores that `mask` marks, in place.

    Args:
        mask: ``(B, C)`` bool.
        scores: ``(B, C)``.
        by: far more than any two scores differ.
    """
    marked = _few_marked(mask)
    if marked is None:
        scores.sub_(_as_float(mask, scores.dtype), alpha=by)
    else:
        scores[marked] = -by


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

    Few pairs are marked where there are many classes. Only a CPU can look and choose without
    waiting for itself.
    """
    if mask.device.type != "cpu":
        return None
    mask = mask.contiguous()
    rows, columns = mask.shape
    if columns % 8 or mask.storage_offset() % 8:
        found = mask.nonzero()
        return found[:, 0], found[:, 1]
    words = mask.view(torch.int64).nonzero()  # (w, 2): 8 flags at a time, most of them empty
    if len(words) * 48 > mask.numel():
        return None
    row, word = words.unbind(1)
    bits = mask.view(rows, columns // 8, 8)[row, word].nonzero()  # (n, 2)
    return row[bits[:, 0]], word[bits[:, 0]] * 8 + bits[:, 1]


def _mm(left: Tensor, right: Tensor) -> Tensor:
    """Their product; of bfloat16 on a GPU in float32."""
    if left.device.type == "cuda" and left.dtype == torch.bfloat16:
        return torch.mm(left, right, out_dtype=torch.float32)
    if left.device.type == "cpu" and left.dtype == torch.float32 and _has_onednn():
        linear = torch.ops.mkldnn._linear_pointwise  # takes the second factor transposed
        return cast(Tensor, linear(left, right.T, None, "none", [], ""))
    return torch.mm(left, right)


def _has_onednn() -> bool:
    """Whether torch can multiply float32 matrices by oneDNN on a CPU.

    `torch.mm` takes MKL, which on an AMD processor with AVX-512 reached the speed of AVX2 only;
    oneDNN took half its time there, and 0.9 of it when held to AVX2. The way to it is private:
    without it the products are `torch.mm`'s.
    """
    return (
        torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
