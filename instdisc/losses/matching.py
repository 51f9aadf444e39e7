"""A row is matched with its partner among the rows of all processes.

Legend: B rows on this process, W processes, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import distributed
from instdisc.checks import positive, refuse

from .inputs import at_least_float32, check_features


def match_in_batch(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    r"""The mean cross-entropy of the queries, each with its own key among those of the batch.

    .. math::
        L = \frac{1}{B} \sum_i -\log \frac{\exp(q_i \cdot k_i / T)}{\sum_j \exp(q_i \cdot k_j / T)}

    where j runs over the keys of all processes. Only keys repel, not the other queries, which
    `contrast_in_batch` takes too. The gradient flows to queries and keys, where these have any.

    Args:
        query: ``(B, D)`` rows of unit length.
        key: ``(B, D)`` rows of unit length; row i belongs to the query in row i. B is the same on
            every process.
        temperature: T.

    Returns:
        Scalar, float32 (float64 for float64 queries): the mean over the queries of this process.
        Its mean over the processes is the loss of the global batch, and DDP's mean of the gradients
        that of it.

    Raises:
        TypeError: if features are no float tensors, or `temperature` is no number.
        ValueError: if the shapes differ, there are no rows, or `temperature` is not positive.

    Example:
        >>> match_in_batch(torch.eye(2), torch.eye(2), 1.0)  # log(1 + exp(0 - 1))
        tensor(0.3133)
    """
    positive("temperature", temperature)
    check_features("query", query)
    check_features("key", key)
    if key.shape != query.shape:
        rule = f"{tuple(query.shape)} like `query`"
        refuse("key", rule, key, "The key in row i is that of the query in row i.")
    if len(query) == 0:
        refuse("query", "of at least 1 row", query)
    with torch.autocast(query.device.type, enabled=False):
        query, key = at_least_float32(query), at_least_float32(key)
        keys = distributed.gather_with_gradient(key)  # (W B, D)
        logits = query @ keys.to(query.dtype).T / temperature  # (B, W B)
        rows = torch.arange(len(query), device=query.device)
        partners = rows + distributed.rank() * len(query)  # (B,) columns
        return F.cross_entropy(logits, partners)
