"""The sums of a loss over a bank that fits into one slice, in few steps.

Legend: B queries, K bank keys, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc.types import Bank

from .products import Products
from .rules import EXCLUDED, Rules


@torch.no_grad()
def sum_whole_bank(
    query: Tensor, bank: Bank, rules: Rules, *, temperature: float
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """What `sweep` returns and its gradient, from the whole (B, K) similarities at once.

    On an accelerator each operator starts a kernel, whose start takes as long as the kernel where
    the bank is short: this starts 6 where no key is marked, a third of those of a sweep.

    Args:
        query: ``(B, D)``, float32 or float64.
        bank: K keys, of any float dtype.
        rules: of the batch.
        temperature: T.

    Returns:
        ``(B,)`` the log of the sum of exp(s_j) over D_i, ``-inf`` where it is empty; ``(B, D)`` its
        gradient with respect to the queries, any where it is empty; and of the positives the sum
        ``(B, D)`` and the number ``(B,)``, or ``None`` without a rule of positives.

    Example:
        >>> every = lambda labels, bank_labels: None
        >>> rules = Rules(torch.tensor([0]), positives=every, negatives=every)
        >>> bank = Bank(torch.eye(2), torch.tensor([0, 1]))
        >>> log_sum, gradient, _, _ = sum_whole_bank(torch.eye(2)[:1], bank, rules, temperature=1.0)
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
    scores = products.scores()  # (B, K)
    if excluded is None:
        log_shares = torch.log_softmax(scores, 1)  # (B, K)
        log_sum = scores[:, 0] - log_shares[:, 0]  # the same of every key
    else:
        scores = torch.where(excluded, -EXCLUDED, scores)
        log_shares = torch.log_softmax(scores, 1)
        log_sum = scores.amax(1) - log_shares.amax(1)  # of a key that counts
        log_sum = torch.where(log_sum > -EXCLUDED / 2, log_sum, -torch.inf)
    gradient = products.weighted_sum(log_shares.exp_()) / temperature
    return log_sum, gradient, positive_sum, num_positives
