"""A contrastive loss of queries and rows whose similarities are at hand, and masks of all pairs.

Legend: N queries, M rows, O own keys of each query among them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .contrastive import ContrastiveLoss, weights_of
from .rules import EXCLUDED, Rules


def contrast_rows(
    loss: ContrastiveLoss,
    similarities: Tensor,
    key_columns: Tensor,
    same_image: Tensor,
    query_labels: Tensor,
    row_labels: Tensor,
) -> Tensor:
    """The mean loss of queries whose own keys and bank are among the same rows.

    The rules of `loss` apply to the rows of other images; with several own keys, the mean over the
    positives stands outside the logarithm. Keeps several tensors (N, M).

    Args:
        loss: gives rules and weights.
        similarities: ``(N, M)``, divided by the temperature, float32 or float64.
        key_columns: ``(N, O)`` int64 columns.
        same_image: ``(N, M)`` bool, the rows that are no bank of a query: its own keys, itself.
        query_labels: ``(N,)`` int64.
        row_labels: ``(M,)`` int64.

    Returns:
        Scalar.
    """
    rules = Rules(query_labels, loss.positives, loss.negatives)
    attract, excluded = rules.masks(row_labels)  # (N, M)
    excluded = same_image if excluded is None else excluded | same_image
    num_keys = len(row_labels) - excluded.sum(1).to(similarities.dtype)  # (N,)
    log_sum = _log_sum(loss, similarities, excluded, query_labels, row_labels, num_keys)

    to_keys = similarities.gather(1, key_columns)  # (N, O)
    total = to_keys.logsumexp(1)  # (N,)
    count = key_columns.shape[1]
    log_sum = loss.log_bank_sum(log_sum, total - math.log(count), num_keys)
    gap = F.softplus(log_sum - total, threshold=40)  # (N,) denominator over own keys, its log
    attraction, num_positives = to_keys.sum(1), torch.full_like(total, count)  # (N,)
    if attract is not None:
        attract = attract & ~same_image
        attraction = attraction + torch.where(attract, similarities, 0.0).sum(1)
        num_positives = num_positives + attract.sum(1)
    return (gap + (total - attraction / num_positives)).mean()


def _log_sum(
    loss: ContrastiveLoss,
    similarities: Tensor,
    excluded: Tensor,
    query_labels: Tensor,
    row_labels: Tensor,
    num_keys: Tensor,
) -> Tensor:
    """Of each query the log of the weighted sum over its bank, ``(N,)``; ``-inf`` without any."""
    scores, logs, weights = similarities, None, weights_of(loss, query_labels)
    if weights is not None and not weights.are_one(similarities, row_labels):
        seen = similarities if weights.have_gradient else similarities.detach()
        # (N, M), finite, so that a row of zeros gives no inf - inf
        logs = weights.ask(seen, row_labels).clamp(min=-EXCLUDED)
        scores = similarities + logs
    log_sum = scores.masked_fill(excluded, -EXCLUDED).logsumexp(1)
    is_empty = log_sum < -EXCLUDED / 2
    if logs is not None and loss.weights_are_relative:
        log_sum = log_sum - logs.masked_fill(excluded, -EXCLUDED).logsumexp(1) + num_keys.log()
    return log_sum.masked_fill(is_empty, -torch.inf)
