"""A contrastive loss within a batch: every view is a query, the rows of other images its bank.

Legend: V views, B images on this process, W processes, D width, N = V B queries on this process,
M = W V B rows of all processes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc import distributed
from instdisc.checks import instance

from .contrastive import ContrastiveLoss
from .inputs import at_least_float32, check_views
from .masked import contrast_rows


def contrast_in_batch(loss: ContrastiveLoss, features: Sequence[Tensor], labels: Tensor) -> Tensor:
    r"""The mean loss of all views, each against its image's other views and all other images.

    Every view of every image is a query. Its own keys are the other views of its image, V - 1 of
    them; its bank are all views of all other images of the global batch, to which the rules of
    `loss` apply by the labels. With :math:`O_i` the own keys and :math:`P_i`, :math:`D_i` as in
    `ContrastiveLoss`, :math:`O_i` among both,

    .. math::
        L_i = \frac{1}{|P_i|} \sum_{p \in P_i} -\log \frac{\exp(s_p)}{\sum_{j \in D_i} \exp(s_j)},
        \qquad L = \frac{1}{V B} \sum_i L_i

    so the mean over the positives stands outside the logarithm. The gradient flows to queries and
    keys. `log_bank_sum` gets the log of the mean of :math:`\exp(s_o)` over the own keys as
    `key_similarity`.

    With two views `InstanceDiscriminationLoss` makes it the loss of SimCLR (1 positive and 2WB - 2
    negatives), `SupConLoss` supervised contrast in a batch (L_out), and `ExemplarLoss` that of
    SimCLR without negatives of the query's class, which is new.

    Keeps several tensors (N, M), for in a batch M is small; a queue has `ContrastiveLoss`.

    Args:
        loss: gives temperature, rules and weights.
        features: V tensors ``(B, D)`` of rows of unit length, at least two; row i of each is image
            i of this process. B is the same on every process.
        labels: ``(B,)`` int64 classes of the images; ``-1`` where unknown, which equals no class.

    Returns:
        Scalar, float32 (float64 for float64 features): the mean over the views of this process.
        Its mean over the processes is the loss of the global batch, and DDP's mean of the
        gradients that of it.

    Raises:
        TypeError: if `loss` is no `ContrastiveLoss`, features are no float tensors or labels no
            whole numbers.
        ValueError: if there are fewer than two views or no images, or the shapes do not fit each
            other.

    Source:
        Chen et al., "A Simple Framework for Contrastive Learning" (2020), equation 1 and algorithm
        1; Khosla et al., "Supervised Contrastive Learning" (2020), equation 2. Differs from the
        code of the first: it adds up the two directions, this is their mean; of the second: it
        multiplies the loss by T / 0.07.

    Example:
        >>> from instdisc.losses import InstanceDiscriminationLoss
        >>> views = torch.eye(2), torch.eye(2)  # of two images
        >>> loss = InstanceDiscriminationLoss(temperature=1.0)
        >>> contrast_in_batch(loss, views, torch.tensor([0, 1]))  # log(1 + 2 exp(0 - 1))
        tensor(0.5514)
    """
    instance("loss", loss, ContrastiveLoss, "a ContrastiveLoss")
    check_views(features, labels)
    num_views = len(features)
    with torch.autocast(labels.device.type, enabled=False):
        query = torch.cat([at_least_float32(view) for view in features])  # (N, D)
        rows = distributed.gather_with_gradient(query)  # (M, D)
        query_labels = labels.repeat(num_views)  # (N,)
        row_labels = distributed.gather(query_labels)  # (M,)
        similarities = query @ rows.T / loss.temperature  # (N, M)
        other_views, same_image = _locate_views(num_views, labels)
        return contrast_rows(loss, similarities, other_views, same_image, query_labels, row_labels)


def _locate_views(num_views: int, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Where the views of each query's image stand among the rows of all processes.

    Returns:
        ``(N, V - 1)`` columns of the other views, ``(N, M)`` bool of all views, the query itself
        among them.
    """
    images = torch.arange(len(labels), device=labels.device)  # (B,)
    views = torch.arange(num_views, device=labels.device)  # (V,)
    start = distributed.rank() * num_views * len(labels)
    others = (views[:, None] + views[1:]) % num_views  # (V, V - 1)
    columns = start + others[:, None] * len(labels) + images[:, None]  # (V, B, V - 1)
    world = torch.arange(distributed.world_size(), device=labels.device)  # (W,)
    image_of_row = (world[:, None, None] * len(labels) + images).expand(-1, num_views, -1)
    image_of_query = distributed.rank() * len(labels) + images.repeat(num_views)  # (N,)
    return columns.flatten(0, 1), image_of_query[:, None] == image_of_row.flatten()
