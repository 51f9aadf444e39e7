"""A contrastive loss of queries and the keys of the same batch.

Legend: B images on this process, W processes, D width, M = W B keys of all processes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import distributed
from instdisc.checks import instance, refuse

from .contrastive import ContrastiveLoss
from .inputs import at_least_float32, check_features, check_labels
from .masked import contrast_rows


def contrast_with_keys(loss: ContrastiveLoss, query: Tensor, key: Tensor, labels: Tensor) -> Tensor:
    r"""The mean loss of queries, each against its own key and the keys of all other images.

    The bank of a query are the keys of the other images of the global batch, to which the rules of
    `loss` apply by the labels; queries are not compared with each other, as they are in
    `contrast_in_batch`. With :math:`P_i` and :math:`D_i` as in `ContrastiveLoss`,

    .. math::
        L = \frac{1}{B} \sum_i \frac{1}{|P_i|} \sum_{p \in P_i}
            -\log \frac{\exp(s_p)}{\sum_{j \in D_i} \exp(s_j)}

    With `InstanceDiscriminationLoss` it is the cross-entropy of the similarities with all keys of
    the batch, as in MoCo v3 and NNCLR; `ExemplarLoss` leaves the keys of the query's class out. The
    gradient flows to queries and keys, where these have any.

    Keeps several tensors (B, M), for in a batch M is small; a queue has `ContrastiveLoss`.

    Args:
        loss: gives temperature, rules and weights.
        query: ``(B, D)`` rows of unit length.
        key: ``(B, D)`` rows of unit length; row i is the own key of the query in row i. B is the
            same on every process.
        labels: ``(B,)`` int64 classes of the images; ``-1`` where unknown, which equals no class.

    Returns:
        Scalar, float32 (float64 for float64 queries): the mean over the queries of this process.
        Its mean over the processes is the loss of the global batch, and DDP's mean of the
        gradients that of it.

    Raises:
        TypeError: if `loss` is no `ContrastiveLoss`, features are no float tensors or labels no
            whole numbers.
        ValueError: if there are no queries, or the shapes do not fit each other.

    Source:
        Chen et al., "An Empirical Study of Training Self-Supervised Vision Transformers" (2021),
        algorithm 1, `ctr`. Differs from it: the factor 2 T is that of its caller.

    Example:
        >>> from instdisc.losses import InstanceDiscriminationLoss
        >>> loss = InstanceDiscriminationLoss(temperature=1.0)
        >>> contrast_with_keys(loss, torch.eye(2), torch.eye(2), torch.tensor([0, 1]))
        tensor(0.3133)
    """
    instance("loss", loss, ContrastiveLoss, "a ContrastiveLoss")
    _check_rows(query, key, labels)
    with torch.autocast(query.device.type, enabled=False):
        query = at_least_float32(query)
        keys = distributed.gather_with_gradient(key.to(query.dtype))  # (M, D)
        key_labels = distributed.gather(labels)  # (M,)
        similarities = query @ (keys / loss.temperature).T  # (B, M)
        images = torch.arange(len(keys), device=keys.device)  # (M,)
        columns = images[distributed.rank() * len(query) :][: len(query), None]  # (B, 1)
        return contrast_rows(loss, similarities, columns, columns == images, labels, key_labels)


def _check_rows(query: Tensor, key: Tensor, labels: Tensor) -> None:
    check_features("query", query)
    check_features("key", key)
    if key.shape != query.shape:
        rule = f"{tuple(query.shape)} like `query`"
        refuse("key", rule, key, "The key in row i is that of the query in row i.")
    check_labels("labels", labels)
    if len(labels) != len(query):
        refuse("labels", f"({len(query)},), a label for each query", labels)
    if len(query) == 0:
        refuse("query", "of at least 1 row", query)
