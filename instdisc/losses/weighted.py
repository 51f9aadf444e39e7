"""The sum of weighted exponentials over slices, with the sum of the weights where it matters.

Legend: B queries, C keys of one slice, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .class_pairs import ClassPairs
from .exponentials import Exponentials
from .products import Products
from .rules import MaskedPairs
from .weights import Weights


class WeightedExponentials:
    r"""Adds up :math:`w_j \exp(s_j)`, and if wanted what its gradient takes.

    Everything is a sum of powers with their logarithm :math:`\log w_j` in the exponent, so that
    no weight has to be a number itself. The gradient is

    .. math::
        \frac{\sum_j (w_j + w_j') \exp(s_j) k_j}{\sum_j w_j \exp(s_j)}
        - \frac{\sum_j w_j' k_j}{\sum_j w_j}

    where :math:`w_j'` is 0 for constant weights, and the second quotient stands there for relative
    ones only.

    Args:
        query: ``(B, D)``; gives dtype and device.
        weights: of the batch.
        weighted: whether the gradient is wanted.
    """

    unit = 1.0  # of the similarities: that in which the weights are asked

    def __init__(self, query: Tensor, weights: Weights, *, weighted: bool) -> None:
        self._weights = weights
        self._has_slopes = weighted and weights.have_gradient
        self._terms = Exponentials(query, weighted=weighted)
        self._factors: Exponentials | None = None
        if weights.are_relative:
            self._factors = Exponentials(query, weighted=self._has_slopes)

    def add(self, pairs: ClassPairs | MaskedPairs, products: Products, bank_labels: Tensor) -> None:
        """Adds the slice that `pairs` and `products` have loaded, these with queries over T."""
        similarities = products.scores()  # (B, C)
        slopes: Tensor | None = None
        if self._has_slopes:
            logs, slopes = self._weights.ask_with_slopes(similarities, bank_labels)
        else:
            logs = self._weights.ask(similarities, bank_labels)

        def terms() -> Tensor:
            scores = torch.add(similarities, logs).mul_(Exponentials.unit)
            pairs.exclude(scores)
            return scores

        def factors() -> Tensor:
            scores = logs * Exponentials.unit
            pairs.exclude(scores)
            return scores

        self._terms.add(terms, products, None if slopes is None else slopes + 1)
        if self._factors is not None:
            self._factors.add(factors, products, slopes)

    def log_sum(self, num_keys: Tensor) -> Tensor:
        """``(B,)``, the natural logarithm of the sum; ``-inf`` without any key.

        Args:
            num_keys: ``(B,)``, over how many keys relative weights have the mean 1.
        """
        log_sum = self._terms.log_sum()
        if self._factors is None:
            return log_sum
        relative = log_sum - self._factors.log_sum() + num_keys.log()
        return torch.where(log_sum == -torch.inf, log_sum, relative)

    def mean(self) -> Tensor | None:
        """``(B, D)``, the gradient of the logarithm by the queries over T; 0 without any key."""
        mean = self._terms.mean()
        of_factors = None if self._factors is None else self._factors.mean()
        return mean if mean is None or of_factors is None else mean - of_factors
