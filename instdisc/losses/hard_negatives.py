"""Keys that are near a query repel it more, and the share of its own class is taken out."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from instdisc.checks import arguments, not_negative, share

from .contrastive import ContrastiveLoss


class HardNegativeLoss(ContrastiveLoss):
    r"""InfoNCE with harder negatives, debiased or not; without labels.

    The terms of the bank are weighed by :math:`\exp(\beta s_j)` over its mean, and what keys of the
    query's own class are expected to add is subtracted. With n keys in the bank and
    :math:`s_+` the similarity of the own key,

    .. math::
        L_i = -\log \frac{\exp(s_+)}{\exp(s_+) + N_i}, \qquad
        N_i = \max\left( \frac{n}{1 - \tau} \left(
        \frac{\sum_j \exp((1 + \beta) s_j)}{\sum_j \exp(\beta s_j)} - \tau \exp(s_+) \right),\;
        n \exp(-1 / T) \right)

    The gradient flows through the weights too. With `beta` and `tau` 0 it is
    `InstanceDiscriminationLoss`, with `beta` 0 the debiased loss. Everything is computed with
    logarithms, and stays finite where the powers would not.

    A class that has the labels needs no `tau`: derived from this class and from `ExemplarLoss`, it
    has hard negatives of other classes alone.

    Args:
        temperature: T; 0.5 in the paper.
        beta: how much hard negatives count, at least 0; 0.5 to 2 in the paper. Times 1 / T it is
            their concentration.
        tau: probability that a key is of the query's class, from 0 to below 1: about 1 over the
            number of classes, 0.1 in the paper for ten.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if one is outside its range.

    Source:
        Robinson et al., "Contrastive Learning with Hard Negative Samples" (2021), with the code of
        its authors; debiased: Chuang et al., "Debiased Contrastive Learning" (2020). Differs from
        them: the keys are those of a bank; their batches are `contrast_in_batch` with this loss.
        There, with more than two views, exp(s_+) is the mean over the other views.

    Example:
        >>> from instdisc.types import Bank
        >>> query = torch.eye(2)[:1]
        >>> bank = Bank(torch.eye(2), torch.tensor([3, 4]))
        >>> loss = HardNegativeLoss(1.0, beta=2.0)
        >>> loss(query, query, bank, torch.tensor([3]))  # the first key counts exp(2), the other 1
        tensor(1.0471)
    """

    weights_have_gradient = True
    weights_are_relative = True

    def __init__(self, temperature: float, *, beta: float = 1.0, tau: float = 0.0) -> None:
        arguments(HardNegativeLoss.__init__, locals(), beta=not_negative, tau=_below_one)
        super().__init__(temperature)
        self.beta = beta
        self.tau = tau

    def log_weights(
        self, similarities: Tensor, labels: Tensor, bank_labels: Tensor
    ) -> Tensor | None:
        return None if self.beta == 0 else self.beta * similarities

    def log_bank_sum(self, log_sum: Tensor, key_similarity: Tensor, num_keys: Tensor) -> Tensor:
        if self.tau == 0:
            return log_sum
        log_count = num_keys.log()
        expected = log_count + math.log(self.tau) + key_similarity
        lowest = log_count - 1 / self.temperature
        # log(exp(a) - exp(b)) = a + log(1 - exp(b - a)). What is not kept must be finite, too, or
        # its gradient, times 0, is not a number.
        is_positive = expected < log_sum
        gap = torch.where(is_positive, expected - log_sum, -1.0)
        unbiased = log_sum + torch.log(-torch.expm1(gap)) - math.log1p(-self.tau)
        return torch.where(is_positive & (unbiased > lowest), unbiased, lowest)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, beta={self.beta}, tau={self.tau}"


def _below_one(name: str, value: float) -> float:
    return share(name, value, one=False)
