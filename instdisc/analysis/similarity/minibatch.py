"""CKA of all pairs of layers from one pass over batches.

Legend: n images of a batch, L layers (La of the first, Lb of the second network).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.metrics.intervals import check_level

from ..inputs import FEWEST
from .gram import centre_grams, linear_gram


@checked_call()
class Intervals(NamedTuple):
    """Ends of intervals, ``(La, Lb)`` float64 each."""

    low: Tensor
    high: Tensor


class MinibatchCKA:
    """Unbiased linear CKA between layers of one or two networks, batch by batch.

    What it keeps are four numbers for each pair of layers: memory does not depend on how many
    images there are. The Gram matrices of a batch are centred, stacked and multiplied once. See
    `cka` for the formula; sums over batches are not weighted.

    Batches must be random: in a folder's order each would hold the images of few classes, and
    what those share would not count.

    Attributes:
        num_images: that count.
        num_batches: that count.
        num_left_out: images of batches of 3 or fewer, which do not count.

    Source:
        Nguyen, Raghu and Kornblith, "Do Wide and Deep Networks Learn the Same Things?" (2021),
        eq. 3. The intervals are ours.

    Example:
        >>> meter = MinibatchCKA()
        >>> generator = torch.Generator().manual_seed(0)
        >>> for _ in range(3):
        ...     first = torch.randn(32, 3, 8, 8, generator=generator)
        ...     meter.update([first, first[:, :1], first.mean((2, 3))])
        >>> meter.compute().shape, round(float(meter.compute()[0, 1]), 2)
        (torch.Size([3, 3]), 0.57)
    """

    def __init__(self) -> None:
        self.num_images = self.num_batches = self.num_left_out = 0
        self._split: tuple[int, int | None] | None = None  # La, Lb
        self._sums = self._squares = self._by_self = self._selves = torch.zeros(0)

    def update(self, layers_a: Sequence[Tensor], layers_b: Sequence[Tensor] | None = None) -> None:
        """Takes what a batch of images gives.

        Args:
            layers_a: of the first network, ``(n, ...)`` float each; maps are flattened.
            layers_b: of the second, of the same images; ``None``: the layers of the first are
                compared with each other.

        Raises:
            TypeError: if a layer is no float tensor.
            ValueError: if there is none, they differ in the number of images, a number is not
                finite, or the number of layers is not that of the batch before.
        """
        layers = [*layers_a, *(layers_b or [])]
        for layer in layers:
            checks.dtype("layers", layer, checks.FLOATS)
        sizes = {len(layer) for layer in layers}
        if len(sizes) != 1 or not len(layers_a) or (layers_b is not None and not len(layers_b)):
            checks.refuse("layers", "at least one, all of the same images", sorted(sizes))
        self.update_grams(
            torch.stack([linear_gram(layer) for layer in layers]),
            None if layers_b is None else len(layers_a),
        )

    def update_grams(self, grams: Tensor, split: int | None = None) -> None:
        """Takes the Gram matrices of a batch, where the layers themselves are gone.

        Args:
            grams: ``(La + Lb, n, n)`` float64; see `linear_gram`.
            split: La; ``None``: all layers are compared with each other.

        Raises:
            ValueError: see `update`.
        """
        count = grams.shape[-1]
        total = len(grams)
        split_now = (total, None) if split is None else (split, total - split)
        if self._split not in (None, split_now):
            checks.refuse("layers", f"as many as before, {self._split}", split_now)
        checks.all_finite("layers", grams, row="layer")
        self._split = split_now
        if count < FEWEST:
            self.num_left_out += count
            return
        if not self.num_batches:
            zeros = grams.new_zeros(total, total)
            self._sums, self._squares = zeros.clone(), zeros.clone()
            self._by_self, self._selves = zeros.clone(), zeros.clone()
        rows = centre_grams(grams).transpose(0, 1)  # (n, L, n)
        # The part of each image in HSIC_1 of each pair; the interval needs their moments.
        parts = rows @ rows.mT / (count * (count - 3))  # (n, L, L)
        alone = parts.diagonal(dim1=1, dim2=2)  # (n, L)
        self._sums += parts.sum(0)
        self._squares += parts.square().sum(0)
        self._by_self += (parts * alone[:, :, None]).sum(0)
        self._selves += alone.T @ alone
        self.num_images += count
        self.num_batches += 1

    def compute(self) -> Tensor:
        """``(La, Lb)`` float64, or ``(L, L)`` of one network. Not cut off at 0.

        Raises:
            ValueError: if no batch of at least 4 images came, or a layer is the same for all.
        """
        return self._block(self._matrix())

    def intervals(self, level: float = 0.95) -> Intervals:
        """Intervals over images: how much other images of this kind would change each number.

        Of a normal estimate on Fisher's scale (arctanh); its standard error is that of the ratio
        linearised in the parts of the images, HSIC_1 being of second order in each:
        ``se^2 = 4 sum_i psi_i^2``.

        Args:
            level: chance that such an interval holds the true value, about.

        Raises:
            ValueError: see `compute`; if `level` is outside (0, 1).
        """
        check_level(level)
        value = self._matrix()
        alone = self._sums.diagonal()
        root = (alone[:, None] * alone).sqrt()
        # psi_i = x_i / root - value (y_i / 2 aa + z_i / 2 bb), in which x, y, z are parts.
        mixed = self._by_self / alone[:, None]  # x y / aa
        selves = self._selves / (alone[:, None] * alone)
        spread = (
            self._squares / root.square()
            - value * (mixed + mixed.T) / root
            + value.square() * (selves.diagonal()[:, None] + selves.diagonal() + 2 * selves) / 4
        )
        error = 2 * spread.clamp(min=0).sqrt()
        quantile = NormalDist().inv_cdf((1 + level) / 2)
        slack = (1 - value.square()).clamp(min=torch.finfo(value.dtype).eps)
        centre = value.clamp(-1 + 1e-15, 1 - 1e-15).atanh()
        low, high = ((centre + side * quantile * error / slack).tanh() for side in (-1, 1))
        # Of a layer with itself nothing is uncertain but the last digits.
        sure = 1 - value.abs() < 1e-12
        return Intervals(
            self._block(torch.where(sure, value, low)), self._block(torch.where(sure, value, high))
        )

    def _matrix(self) -> Tensor:
        if not self.num_batches:
            checks.refuse(
                "batches",
                f"at least one, of at least {FEWEST} images",
                f"none, and {self.num_left_out} images left out",
                "Call update first.",
            )
        alone = self._sums.diagonal()
        if not bool((alone > 0).all()):
            layer = int((~(alone > 0)).nonzero()[0])
            checks.refuse("layers", "different for some images of a batch", f"layer {layer}")
        return self._sums / (alone[:, None] * alone).sqrt()

    def _block(self, matrix: Tensor) -> Tensor:
        assert self._split is not None
        first, second = self._split
        return matrix if second is None else matrix[:first, first:]
