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
        length: the largest C.
    """

    def __init__(self, query: Tensor, bank_dtype: torch.dtype, length: int) -> None:
        (count, dim), self.query = query.shape, query
        self.narrow = query.dtype == torch.float32 and multiplies_natively(bank_dtype, query.device)
        self._sizes = {"keys": length * dim, "pairs": count * length}
        self._buffers: dict[str, Tensor] = {}
        self._keys = query  # (C, D), set by `load`
        self._wide: Tensor | None = None
        if self.narrow:
            self._narrow_query = query.to(bank_dtype)

    def load(self, keys: Tensor) -> None:
        """Takes the next slice ``(C, D)``."""
        self._keys = keys
        self._wide = keys if keys.dtype == self.query.dtype else None

    @property
    def keys(self) -> Tensor:
        """The slice ``(C, D)`` in the queries' dtype."""
        if self._wide is None:
            self._wide = self._buffer("keys", *self._keys.shape)
            self._wide.copy_(self._keys)
        return self._wide

    def scores(self) -> Tensor:
        """The similarities ``(B, C)``."""
        if self.narrow:
            return _mm(self._narrow_query, self._keys.T).to(self.query.dtype)
        return _mm(self.query, self.keys.T)

    def add_weighted(self, total: Tensor, weights: Tensor) -> None:
        """Adds ``weights @ keys``, (B, C) times (C, D), to `total` in place."""
        if self.narrow:
            total.add_(_mm(weights.to(self._keys.dtype), self._keys))
        else:
            total.add_(_mm(weights, self.keys))

    def as_float(self, mask: Tensor) -> Tensor:
        """1 where `mask`, ``(B, C)`` bool, is set and 0 elsewhere; the next call overwrites it."""
        bytes_ = mask.view(torch.uint8)  # a copy of bools takes several times as long
        return self._buffer("pairs", *mask.shape).copy_(bytes_)

    def _buffer(self, name: str, rows: int, columns: int) -> Tensor:
        # A flat buffer of the largest size, so that a shorter last slice is contiguous too.
        if name not in self._buffers:
            self._buffers[name] = self.query.new_empty(self._sizes[name])
        return self._buffers[name][: rows * columns].view(rows, columns)


def multiplies_natively(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether products of bfloat16 are faster on the device than those of float32."""
    if dtype != torch.bfloat16:
        return False
    if device.type == "cuda":
        return torch.version.hip is None and torch.cuda.is_bf16_supported(including_emulation=False)
    # The only names there are, and private; without them the slices are converted, never wrong.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in names)


def lower_where(mask: Tensor, products: Products, scores: Tensor, by: float) -> None:
    """Lowers the scores that `mask` marks, in place.

    Args:
        mask: ``(B, C)`` bool.
        products: has the slice loaded.
        scores: ``(B, C)``.
        by: far more than any two scores differ.
    """
    marked = _few_marked(mask)
    if marked is None:
        scores.sub_(products.as_float(mask), alpha=by)
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
        weights = products.as_float(mask)
        num_marked += weights.sum(1)
        products.add_weighted(total, weights)
    else:
        rows, columns = marked  # (n,), (n,)
        count = torch.bincount(rows, minlength=len(mask))
        first = count.cumsum(0) - count
        total += F.embedding_bag(columns, products.keys, first, mode="sum")
        num_marked += count


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
