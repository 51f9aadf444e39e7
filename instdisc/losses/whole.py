"""The sums of a loss over a bank that fits into one slice, in few steps.

Legend: B queries, K bank keys, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc.types import Bank

from .products import Products
from .rules import EXCLUDED, Rules, count_kept
from .weights import Weights


@torch.no_grad()
def sum_whole_bank(
    query: Tensor,
    bank: Bank,
    rules: Rules,
    weights: Weights | None = None,
    *,
    temperature: float,
    counts_keys: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """What `sweep` returns and its gradient, from the whole (B, K) similarities at once.

    On an accelerator each operator starts a kernel, whose start takes as long as the kernel where
    the bank is short: this starts 6 where no key is marked, a third of those of a sweep.

    Args:
        query: ``(B, D)``, float32 or float64.
        bank: K keys, of any float dtype.
        rules: of the batch.
        weights: of the terms; ``None`` for 1.
        temperature: T.
        counts_keys: whether the number of keys is wanted.

    Returns:
        ``(B,)`` the log of the sum of w_j exp(s_j) over D_i, ``-inf`` where it is empty; ``(B, D)``
        its gradient with respect to the queries, any where it is empty; of the positives the sum
        ``(B, D)`` and the number ``(B,)``, or ``None`` without a rule of positives; and the number
        of keys in D_i ``(B,)``, or ``None``.

    Example:
        >>> every = lambda labels, bank_labels: None
        >>> rules = Rules(torch.tensor([0]), positives=every, negatives=every)
        >>> bank = Bank(torch.eye(2), torch.tensor([0, 1]))
        >>> log_sum, gradient, *_ = sum_whole_bank(torch.eye(2)[:1], bank, rules, temperature=1.0)
        >>> log_sum, gradient  # log(exp(1) + exp(0)), softmax(1, 0)
        (tensor([1.3133]), tensor([[0.7311, 0.2689]]))
    """
    products = Products(query / temperature, bank.features.dtype)
    products.load(bank.features)
    attract, excluded = rules.masks(bank.labels)
    positive_sum = num_positives = None
    if attract is not None:
        marked = attract.to(query.dtype)
        positive_sum, num_positives = products.weighted_sum(marked), marked.sum(1)
    num_keys = None
    if counts_keys or (weights is not None and weights.are_relative):
        num_keys = query.new_zeros(len(query)) + count_kept(excluded, len(bank.features))
    scores = products.scores()  # (B, K)
    if weights is not None:
        log_sum, shares = _weigh(scores, bank.labels, excluded, weights)
        if num_keys is not None and weights.are_relative:
            log_sum = log_sum + num_keys.log()
    elif excluded is None:
        log_shares = torch.log_softmax(scores, 1)  # (B, K)
        log_sum = scores[:, 0] - log_shares[:, 0]  # the same of every key
        shares = log_shares.exp_()
    else:
        log_sum, shares = _softmax_of_kept(scores, excluded)
    gradient = products.weighted_sum(shares) / temperature
    return log_sum, gradient, positive_sum, num_positives, num_keys if counts_keys else None


def _softmax_of_kept(scores: Tensor, excluded: Tensor | None) -> tuple[Tensor, Tensor]:
    """Of each row the log of the sum of the exponentials that count, and their shares in it.

    Args:
        scores: ``(B, K)``, finite; those below ``-EXCLUDED / 2`` do not count either.
        excluded: ``(B, K)`` bool, or ``None`` for none.

    Returns:
        ``(B,)``, ``-inf`` where none counts; ``(B, K)``, any there.
    """
    if excluded is not None:
        scores = torch.where(excluded, -EXCLUDED, scores)
    log_shares = torch.log_softmax(scores, 1)
    log_sum = scores.amax(1) - log_shares.amax(1)  # of a key that counts
    log_sum = torch.where(log_sum > -EXCLUDED / 2, log_sum, -torch.inf)
    return log_sum, log_shares.exp_()


def _weigh(
    similarities: Tensor, bank_labels: Tensor, excluded: Tensor | None, weights: Weights
) -> tuple[Tensor, Tensor]:
    """`_softmax_of_kept` with weights; the gradient is the keys' sum by what stands for shares.

    Returns:
        ``(B,)``, of relative weights less the log of their sum; ``(B, K)``.
    """
    slopes: Tensor | float = 0.0
    if weights.have_gradient:
        logs, slopes = weights.ask_with_slopes(similarities, bank_labels)
    else:
        logs = weights.ask(similarities, bank_labels)
    logs = logs.clamp(min=-EXCLUDED)  # finite, so that a row of zeros gives no inf - inf
    log_sum, shares = _softmax_of_kept(similarities + logs, excluded)
    shares = shares * (1 + slopes)
    if weights.are_relative:
        log_weight, shares_of_weights = _softmax_of_kept(logs, excluded)
        # Without any key both are -inf.
        log_sum = torch.where(log_sum == -torch.inf, log_sum, log_sum - log_weight)
        shares = shares - shares_of_weights * slopes
    return log_sum, shares
