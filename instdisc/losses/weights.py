"""The factors that a loss gives to the terms of its denominator, and their slopes.

Legend: B queries, C keys of one slice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Weight = Callable[[Tensor, Tensor, Tensor], Tensor | None]


class Weights(NamedTuple):
    """The weights of a loss for the queries of one batch.

    Attributes:
        labels: ``(B,)`` int64.
        log_weights: of the pairs of a slice; see `ContrastiveLoss`.
        have_gradient: whether the gradient flows through the similarities into them.
        are_relative: whether those of a query are divided by their mean.
    """

    labels: Tensor
    log_weights: Weight
    have_gradient: bool
    are_relative: bool

    def are_one(self, query: Tensor, bank_labels: Tensor) -> bool:
        """Whether the loss has no weights, by what it says of a slice without keys."""
        none = query.detach()[:, :0]
        return self.log_weights(none, self.labels, bank_labels[:0]) is None

    def ask(self, similarities: Tensor, bank_labels: Tensor) -> Tensor:
        """The logarithms of the weights.

        Args:
            similarities: ``(B, C)``.
            bank_labels: ``(C,)`` int64.

        Returns:
            ``(B, C)``, ``-inf`` for a weight of 0.

        Raises:
            ValueError: if the loss returns anything but ``None`` or a ``(B, C)`` of that dtype.
        """
        logs = self.log_weights(similarities, self.labels, bank_labels)
        if logs is None:
            return torch.zeros_like(similarities)
        if logs.shape != similarities.shape or logs.dtype != similarities.dtype:
            raise ValueError(
                f"`weights` must return None or a tensor {tuple(similarities.shape)} "
                f"{similarities.dtype} like `similarities`, got {tuple(logs.shape)} {logs.dtype}. "
                "It is called for slices of the bank, so it must look at its arguments alone."
            )
        return logs

    def ask_with_slopes(self, similarities: Tensor, bank_labels: Tensor) -> tuple[Tensor, Tensor]:
        """What `ask` returns, and its derivatives ``(B, C)`` by the similarities."""
        # Each depends on its similarity alone, so that the sum of the rows of the Jacobian is its
        # diagonal. `torch.autograd.grad` would break the graph of a compiler.
        logs, pull, *_ = torch.func.vjp(lambda each: self.ask(each, bank_labels), similarities)
        (slopes,) = pull(logs.new_ones(()).expand_as(logs))
        return logs, slopes
