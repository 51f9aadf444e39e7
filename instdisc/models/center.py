"""The running mean of outputs, which is taken off them.

Legend: N rows, D width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from instdisc import distributed
from instdisc.checks import FLOATS, arguments, dtype, refuse, shape, whole, within

from .conversion import keeping


class Center(nn.Module):
    """Subtracts a mean that follows the outputs: ``c <- m * c + (1 - m) * mean(outputs)``.

    The mean is a persistent buffer, the same on all processes, and held in float32 at least,
    whatever the module around is converted to. It starts at 0.

    Args:
        dim: D.
        momentum: m, in [0, 1).

    Raises:
        TypeError: if `dim` is no whole number or `momentum` no number.
        ValueError: if `dim` is not positive or `momentum` outside [0, 1).

    Source:
        Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (2021),
        equation 4.

    Example:
        >>> center = Center(2, momentum=0.5)
        >>> center.update(torch.tensor([[2.0, 0.0], [4.0, 8.0]]))
        >>> center(torch.zeros(1, 2))
        tensor([[-1.5000, -2.0000]])
    """

    mean: Tensor

    def __init__(self, dim: int, momentum: float = 0.9) -> None:
        super().__init__()
        rule = within(at_least=0, below=1)
        arguments(Center.__init__, locals(), dim=whole, momentum=rule)
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(dim))

    def forward(self, outputs: Tensor) -> Tensor:
        """The outputs without the mean.

        Args:
            outputs: ``(N, D)``.
        """
        self._check(outputs)
        return outputs - self.mean

    @torch.no_grad()
    def update(self, outputs: Tensor) -> None:
        """One step towards the mean over all rows of all processes; every process must call it.

        Args:
            outputs: ``(N, D)``, as many rows on every process.
        """
        self._check(outputs)
        if len(outputs) == 0:
            refuse("outputs", "of at least 1 row", outputs)
        mean = outputs.mean(0, dtype=self.mean.dtype)
        distributed.average([mean])
        self.mean.lerp_(mean, 1 - self.momentum)

    def _check(self, outputs: Tensor) -> None:
        if not isinstance(outputs, Tensor) or outputs.dtype not in FLOATS:
            dtype("outputs", outputs, FLOATS)
        if outputs.ndim != 2 or outputs.shape[1] != len(self.mean):
            shape("outputs", outputs, ("N", len(self.mean)))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Center:
        converted: Center = super()._apply(keeping(fn, _at_least_float32), recurse)
        return converted


def _at_least_float32(before: torch.dtype, after: torch.dtype) -> torch.dtype:
    return torch.promote_types(after, torch.float32)
