"""The factors that a loss gives to the terms of its denominator, and their slopes.

Legend: B queries, C keys of one slice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from .rules import EXCLUDED

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

    def ask(self, similarities: Tensor, bank_labels: Tensor) -> Tensor | None:
        """The logarithms of the weights.

        Args:
            similarities: ``(B, C)``.
            bank_labels: ``(C,)`` int64.

        Returns:
            ``(B, C)``, at least ``-EXCLUDED``, or ``None`` for 0.

        Raises:
            ValueError: if the loss returns anything but ``None`` or a float ``(B, C)``.
        """
        logs = self.log_weights(similarities, self.labels, bank_labels)
        if logs is None:
            return None
        if logs.shape != similarities.shape or logs.dtype != similarities.dtype:
            raise ValueError(
                f"`weights` must return None or a tensor {tuple(similarities.shape)} "
                f"{similarities.dtype} like `similarities`, got {tuple(logs.shape)} {logs.dtype}. "
                "It is called for slices of the bank, so it must look at its arguments alone."
            )
        return logs.clamp(min=-EXCLUDED)  # finite, so that a row of zeros gives no inf - inf
