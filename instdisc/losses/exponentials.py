"""The sum of exponentials over slices, relative to a power that is moved only where it must be.

Legend: B queries, C keys of one slice, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .products import Products
from .rules import EXCLUDED, can_look

_NEAR = 30.0  # bits around 0 within which similarities are taken as they are
_FAR = 2.0**64  # sum of a slice beyond which its powers, or keys times them, might overflow


class Exponentials:
    """Adds up exp(s_j) and, if wanted, exp(s_j) k_j, each relative to a power 2^a_i of the query.

    On an accelerator :math:`a_i` is the running maximum. A CPU can look at what came out: it sets
    :math:`a_i` by the maximum of the first slice, to 0 if that is near 0 and else to the maximum,
    and keeps it until a slice gives a sum so large that a power may have overflowed; that slice is
    done again. So all later slices are spared the passes for the maximum and the difference, and
    the result is exact for vectors of any length at any temperature: no sum is ever smaller than
    the highest of its terms so far, and that never below 2^-30.

    Args:
        query: ``(B, D)``; gives dtype and device.
        weighted: whether the weighted keys are wanted.
    """

    unit = math.log2(math.e)  # of the similarities: powers of 2 take half the time of powers of e

    def __init__(self, query: Tensor, *, weighted: bool) -> None:
        count, _ = query.shape
        self._looks = can_look(query.device)
        self._shift = query.new_full((count,), -EXCLUDED / 2)  # a_i, in bits
        self._shifted = True  # whether any of them is not 0
        # Whether every query had a key. The first of one that had none overflows, and its slice is
        # done twice.
        self._settled = False
        self._total = query.new_zeros(count)  # sum of 2^(s_j - a_i)
        self._weighted = torch.zeros_like(query) if weighted else None

    def add(
        self,
        scores: Callable[[], Tensor],
        products: Products,
        factors: Tensor | None = None,
    ) -> None:
        """Adds a slice.

        Args:
            scores: makes the slice's similarities ``(B, C)``, in bits.
            products: has the slice loaded.
            factors: ``(B, C)``, of exp(s_j) in the weighted keys alone; ``None`` for 1.
        """
        weights = self._add_as_before(scores) if self._settled else None
        if weights is None:
            weights = self._add_with_maximum(scores())
        if self._weighted is not None:
            if factors is not None:
                weights.mul_(factors)
            products.add_weighted(self._weighted, weights)

    def log_sum(self) -> Tensor:
        """``(B,)``, the natural logarithm of the sum; ``-inf`` without any key."""
        return (self._shift + self._total.log2()) * math.log(2)

    def mean(self) -> Tensor | None:
        """``(B, D)``, the mean of the keys by their exponentials; 0 without any key."""
        if self._weighted is None:
            return None
        smallest = torch.finfo(self._total.dtype).tiny  # 0, not 0 / 0
        return self._weighted / self._total.clamp(min=smallest)[:, None]

    def _add_as_before(self, scores: Callable[[], Tensor]) -> Tensor | None:
        """Adds the slice relative to the present shift; ``None`` where that may not hold it."""
        weights = scores()
        if self._shifted:
            weights.sub_(self._shift[:, None])
        total = weights.exp2_().sum(1)
        if not float(total.amax()) < _FAR:  # nan neither
            return None
        self._total += total
        return weights

    def _add_with_maximum(self, scores: Tensor) -> Tensor:
        shift = torch.maximum(self._shift, scores.amax(1))
        if self._looks:
            shift.masked_fill_(shift.abs() <= _NEAR, 0.0)
            self._shifted = bool(shift.any())
        shrink = torch.exp2(self._shift - shift)
        self._shift = shift
        weights = scores.sub_(shift[:, None]).exp2_()
        self._total.mul_(shrink).add_(weights.sum(1))
        self._settled = self._looks and bool(self._total.all())
        if self._weighted is not None:
            self._weighted.mul_(shrink[:, None])
        return weights
