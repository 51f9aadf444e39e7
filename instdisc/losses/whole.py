"""The sums of a loss over a bank that fits into one slice, in few steps.

Legend: B queries, K bank keys, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .products import Products

# What a similarity of an excluded key is lowered by: below every real one, yet finite.
_EXCLUDED = 1e30


@torch.no_grad()
def sum_whole_bank(
    query: Tensor,
    keys: Tensor,
    attract: Tensor | None,
    repel: Tensor | None,
    *,
    temperature: float,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """What `sweep` returns and its gradient, from the whole (B, K) similarities at once.

    On an accelerator each operator starts a kernel, whose start takes as long as the kernel where
    the bank is short: this starts 6 where no key is marked, a third of those of a sweep.

    Args:
        query: ``(B, D)``, float32 or float64.
        keys: ``(K, D)``, of any float dtype.
        attract: ``(B, K)`` bool, the keys that are positives; ``None`` = none.
        repel: ``(B, K)`` bool, those that are negatives; ``None`` = all.
        temperature: T.

    Returns:
        ``(B,)`` the log of the sum of exp(s_j) over D_i, ``-inf`` where it is empty; ``(B, D)`` its
        gradient with respect to the queries, any where it is empty; and of the positives the sum
        ``(B, D)`` and the number ``(B,)``, or ``None`` if `attract` is.

    Example:
        >>> log_sum, gradient, _, _ = sum_whole_bank(
        ...     torch.eye(2)[:1], torch.eye(2), None, None, temperature=1.0
        ... )
        >>> log_sum, gradient  # log(exp(1) + exp(0)), softmax(1, 0)
        (tensor([1.3133]), tensor([[0.7311, 0.2689]]))
    """
    products = Products(query / temperature, keys.dtype)
    products.load(keys)
    positive_sum = num_positives = None
    if attract is not None:
        marked = attract.to(query.dtype)
        positive_sum, num_positives = products.weighted_sum(marked), marked.sum(1)
        repel = None if repel is None else repel | attract
    scores = products.scores()  # (B, K)
    if repel is None:
        log_shares = torch.log_softmax(scores, 1)  # (B, K)
        log_sum = scores[:, 0] - log_shares[:, 0]  # the same of every key
    else:
        scores = torch.where(repel, scores, -_EXCLUDED)
        log_shares = torch.log_softmax(scores, 1)
        log_sum = scores.amax(1) - log_shares.amax(1)  # of a key that counts
        log_sum = torch.where(log_sum > -_EXCLUDED / 2, log_sum, -torch.inf)
    gradient = products.weighted_sum(log_shares.exp_()) / temperature
    return log_sum, gradient, positive_sum, num_positives
