"""A stored feature for each image of a data set.

Legend: N images, D width, B images of a batch, K draws for each.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.checks import FLOATS, INTEGERS, arguments, dtype, refuse, shape, whole, within
from instdisc.types import UNKNOWN_LABEL, Bank

from .conversion import keeping
from .random_bits import mix_bits, stream_of_bits


class MemoryBank(nn.Module):
    """One row for each image, which follows its features: M_i <- normalise(m M_i + (1 - m) v_i).

    Starts with random rows whose length is 1 on average, of unknown class. Everything is a
    persistent buffer, so a resumed run continues with the same rows.

    Args:
        size: N.
        dim: D.
        momentum: m, in [0, 1); 0 stores the newest feature.
        in_host_memory: keep the rows in the memory of the host, whatever device the module is moved
            to; they are sent to the device when they are asked for. In each step the host then
            waits for a GPU twice, for it must know which rows are meant and what to write. 1.28
            million images of D = 128 take 656 MB.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a number is out of range.

    Source:
        Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"
        (2018). Differs from its code: of an image that stands in a batch several times the last
        feature counts, where it was left open which.

    Example:
        >>> bank = MemoryBank(3, 2, momentum=0.0)
        >>> bank.update(torch.tensor([2, 0, 2]), torch.eye(2)[[0, 0, 1]], torch.tensor([7, 8, 7]))
        >>> bank.rows(torch.tensor([0, 2]))
        tensor([[1., 0.],
                [0., 1.]])
        >>> bank.bank().labels
        tensor([ 8, -1,  7])
    """

    features: Tensor
    labels: Tensor
    seed: Tensor
    updates: Tensor

    def __init__(
        self, size: int, dim: int, *, momentum: float = 0.5, in_host_memory: bool = False
    ) -> None:
        super().__init__()
        arguments(
            MemoryBank.__init__,
            locals(),
            size=whole,
            dim=whole,
            momentum=within(at_least=0, below=1),
        )
        self.momentum = momentum
        self.in_host_memory = in_host_memory
        bound = (3 / dim) ** 0.5
        self.register_buffer("labels", torch.full((size,), UNKNOWN_LABEL))
        self.register_buffer("features", torch.empty(size, dim).uniform_(-bound, bound))
        self.register_buffer("seed", torch.randint(2**62, ()))  # of the draws
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @property
    def size(self) -> int:
        """N."""
        return len(self.labels)

    def bank(self) -> Bank:
        """All rows, not a copy: the next `update` changes them."""
        return Bank(self.features, self.labels)

    @torch.no_grad()
    def rows(self, indices: Tensor, *, device: torch.device | None = None) -> Tensor:
        """The rows of some images.

        Args:
            indices: ``(...)`` whole numbers in [0, N).
            device: where they are wanted; by default that of `indices`.

        Returns:
            ``(..., D)``, a copy.

        Raises:
            TypeError: if `indices` are no whole numbers.
        """
        dtype("indices", indices, INTEGERS)
        target = indices.device if device is None else device
        places = indices.reshape(-1).to(self.features.device)
        crosses = target != self.features.device
        rows = torch.empty(
            (len(places), self.features.shape[1]),
            dtype=self.features.dtype,
            device=self.features.device,
            pin_memory=crosses and target.type == "cuda",  # else the host waits for the copy
        )
        torch.index_select(self.features, 0, places, out=rows)
        return rows.to(target, non_blocking=True).view(*indices.shape, -1)

    @torch.no_grad()
    def update(self, indices: Tensor, features: Tensor, labels: Tensor) -> None:
        """Moves the rows of some images towards their features of now.

        Args:
            indices: ``(B,)`` whole numbers in [0, N); of an image that is there several times the
                last counts.
            features: ``(B, D)`` rows of unit length.
            labels: ``(B,)`` int64; ``-1`` where the class is unknown.

        Raises:
            TypeError: if `features` are no floats, or the others no whole numbers.
            ValueError: if the shapes do not fit each other or the bank.
        """
        dtype("features", features, FLOATS)
        shape("features", features, ("B", self.features.shape[1]))
        for name, value in (("indices", indices), ("labels", labels)):
            dtype(name, value, INTEGERS)
            if value.shape != (len(features),):
                refuse(name, f"({len(features)},), one for each row of `features`", value)
        if not len(features):
            return
        indices = indices.long()
        last = _last_of_equals(indices)  # what is written to a row twice is the same
        new = self.rows(indices).lerp(features.to(self.features.dtype), 1 - self.momentum)
        new = F.normalize(new, dim=1)[last]
        here = self.features.device
        self.features.index_copy_(0, indices.to(here), new.to(here))
        self.labels.index_copy_(0, indices, labels.to(self.labels.dtype)[last])
        self.updates += 1

    @torch.no_grad()
    def draw(self, positions: Tensor, count: int) -> Tensor:
        """Images drawn uniformly with replacement, until the next `update` the same.

        They follow from the bank's seed, the number of its updates and the position, on any device
        alike, so that several processes draw what one would.

        Args:
            positions: ``(B,)`` int64, which must differ between the images of a global batch; on
                the device of the rows.
            count: K.

        Returns:
            ``(B, K)`` int64 in [0, N).

        Raises:
            TypeError: if `positions` are no whole numbers, or `count` no whole number.
            ValueError: if `positions` are not of one dimension, or `count` is not positive.
        """
        dtype("positions", positions, INTEGERS)
        shape("positions", positions, ("B",))
        whole("count", count)
        start = mix_bits(mix_bits(self.seed) + self.updates)
        starts = mix_bits(start + positions.long())  # (B,)
        return stream_of_bits(starts, count).remainder_(self.size)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> MemoryBank:
        names = ("features", "seed", "updates") if self.in_host_memory else ()
        kept = {name: self._buffers.pop(name) for name in names}
        try:
            converted: MemoryBank = super()._apply(keeping(fn, _as_before), recurse)
        finally:
            self._buffers.update(kept)
        return converted


def _last_of_equals(indices: Tensor) -> Tensor:
    """``(B,)`` where each number of ``(B,)`` stands for the last time."""
    equal = (indices[:, None] == indices.flip(0)).to(torch.uint8)  # (B, B), the last first
    return len(indices) - 1 - equal.argmax(1)  # the first of the largest


def _as_before(before: torch.dtype, after: torch.dtype) -> torch.dtype:
    return before
