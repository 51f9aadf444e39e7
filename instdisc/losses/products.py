"""The matrix products of a sweep with one slice of the bank, by the dtype and library that pay.

Legend: B queries, C keys of one slice, c some of them, D width.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor


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

    def rows(self, columns: Tensor) -> Tensor:
        """The keys at these positions ``(c,)`` of the slice, ``(c, D)`` in the queries' dtype."""
        return self._keys.index_select(0, columns).to(self.dtype)

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
