"""The matrix products of a sweep with one slice of the bank, in the dtype that pays.

Legend: B queries, C keys of one slice, D width, n marked pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


class Products:
    """Similarities of the queries to a slice of keys, and weighted sums of these keys.

    Everything written is of the queries' dtype, in buffers that all slices share. A bfloat16 slice
    is multiplied in bfloat16 where the hardware does so natively, with sums in float32; elsewhere,
    and in any other dtype, the slice is converted first. What bfloat16 products cost: queries and
    weights are rounded to 8 bits (relative error up to 0.4 %, random), and on a CPU the
    similarities too, for torch has no bfloat16 product with a float32 result there. On features in
    100 clusters, at T = 0.07 and 0.2, that changed the loss by less than 1e-4 and the gradient by
    less than 1 %; the rounded keys alone by less than 0.1 %.

    Args:
        query: ``(B, D)``.
        bank_dtype: of the slices.
        length: the largest C.
    """

    def __init__(self, query: Tensor, bank_dtype: torch.dtype, length: int) -> None:
        (count, dim), self.query = query.shape, query
        self.narrow = query.dtype == torch.float32 and multiplies_natively(bank_dtype, query.device)
        self._sizes = count, dim, length
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
            _, dim, length = self._sizes
            self._wide = self._buffer("keys", len(self._keys), dim, length * dim)
            self._wide.copy_(self._keys)
        return self._wide

    @property
    def spare(self) -> Tensor:
        """A buffer ``(B, C)`` for whatever the caller likes."""
        return self._of_pairs("spare")

    def scores(self) -> Tensor:
        """The similarities ``(B, C)``, in a buffer that the next slice overwrites."""
        scores = self._of_pairs("scores")
        if not self.narrow:
            return torch.mm(self.query, self.keys.T, out=scores)
        return scores.copy_(_mm(self._narrow_query, self._keys.T))

    def add_weighted(self, total: Tensor, weights: Tensor) -> None:
        """Adds ``weights @ keys``, (B, C) times (C, D), to `total` in place."""
        if self.narrow:
            total.add_(_mm(weights.to(self._keys.dtype), self._keys))
        else:
            total.addmm_(weights, self.keys)

    def _of_pairs(self, name: str) -> Tensor:
        count, _, length = self._sizes
        return self._buffer(name, count, len(self._keys), count * length)

    def _buffer(self, name: str, rows: int, columns: int, size: int) -> Tensor:
        # A flat buffer of the largest size, so that a shorter last slice is contiguous too.
        if name not in self._buffers:
            self._buffers[name] = self.query.new_empty(size)
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


def as_float(mask: Tensor, out: Tensor) -> Tensor:
    """Writes 1 where `mask` is set and 0 elsewhere; 7 times faster than a copy of bools."""
    return out.copy_(mask.view(torch.uint8))


def add_masked_rows(mask: Tensor, products: Products, total: Tensor, num_marked: Tensor) -> None:
    """Adds to each row of `total` the keys that its row of `mask` marks, and how many those are.

    Args:
        mask: ``(B, C)`` bool.
        products: has the slice loaded.
        total: ``(B, D)``, changed in place.
        num_marked: ``(B,)``, changed in place.
    """
    if mask.device.type == "cpu":
        # Where few keys are marked, as with many classes, the third product is mostly zeros: up to
        # 10 times faster without. Only a CPU can look and choose without waiting for itself.
        marked = _marked(mask.contiguous())
        if marked is not None:
            rows, columns = marked  # (n,), (n,)
            count = torch.bincount(rows, minlength=len(mask))
            first = count.cumsum(0) - count
            total += F.embedding_bag(columns, products.keys, first, mode="sum")
            num_marked += count
            return
    weights = as_float(mask, products.spare)
    num_marked += weights.sum(1)
    products.add_weighted(total, weights)


def _marked(mask: Tensor) -> tuple[Tensor, Tensor] | None:
    """Rows and columns of what is set; ``None`` where a matrix product is faster."""
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
    if left.device.type == "cuda":
        return torch.mm(left, right, out_dtype=torch.float32)
    return torch.mm(left, right)
