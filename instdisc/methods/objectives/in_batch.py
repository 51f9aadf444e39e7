"""Contrast of the views of a batch with each other, as a term of a total loss.

Legend: B batch on this process, V views, D width of the projection, N = V B.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.losses import ContrastiveLoss, contrast_in_batch
from instdisc.losses.inputs import at_least_float32
from instdisc.models.mlp import linear_widths

from ..arguments import check_arguments
from .objective import Objective
from .readings import repelling, spread


class InBatchContrast(Objective):
    """A contrastive loss between all views of the global batch, with its projector.

    Every view of every image is a query. Its own keys are the other views of its image, and the
    rules of the loss say which views of the other images attract and repel it; see
    `contrast_in_batch`. There is no momentum encoder and no queue.

    Args:
        projector: makes ``(N, D)`` of features ``(N, dim)``, as `MLP` or `Projector`; its output is
            normalised here.
        loss: which views of other images attract and repel.
        num_views: V, at least 2: the loss takes the views 0 to V - 1.
        join_views: project all views in one batch, so that batch norm in the projector has
            statistics of them all, as `PretrainModule` does for the backbone; else view by view.
        needs_labels: refuse images of unknown class.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if an argument is out of range.

    Example:
        >>> from instdisc.losses import InstanceDiscriminationLoss
        >>> from instdisc.models import MLP
        >>> simclr = InBatchContrast(MLP(8, (8, 4), last_norm="scale"),
        ...                          InstanceDiscriminationLoss(0.1))
        >>> features = torch.randn(3, 8)  # both views of each image give the same
        >>> loss = simclr({0: features, 1: features}, {}, torch.arange(3))
        >>> round(float(simclr.statistics()["accuracy"]), 1)
        1.0
    """

    within_batch = True

    def __init__(
        self,
        projector: nn.Module,
        loss: ContrastiveLoss,
        *,
        num_views: int = 2,
        join_views: bool = True,
        needs_labels: bool = False,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight=weight)
        check_arguments(InBatchContrast.__init__, locals())
        self.projector = projector
        self.loss = loss
        self.queries = tuple(range(num_views))
        self.join_views = join_views
        self.needs_labels = needs_labels
        self._last: tuple[Tensor, Tensor] | None = None  # views, labels

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        features = [queries[view] for view in self.queries]
        projected: list[Tensor] = (
            list(self.projector(torch.cat(features)).chunk(len(features)))
            if self.join_views
            else [self.projector(view) for view in features]
        )
        views = [F.normalize(at_least_float32(view), dim=1) for view in projected]  # (B, D) each
        self._last = (torch.cat(views).detach(), labels)
        return contrast_in_batch(self.loss, views, labels)

    def structure(self) -> dict[str, Any]:
        return {"projector": linear_widths(self.projector)}

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Of the last batch, on this process alone.

        Returns:
            ``accuracy``: share of queries more similar to another view of their image than to any
            negative (the mean over those views); ``positive_similarity``,
            ``negative_similarity``: mean cosines with other views of the image, and with negatives
            (nan if there is none); ``spread``: standard deviation of the projections times sqrt(D),
            about 1 when they fill the sphere and 0 when they collapsed.
        """
        if self._last is None:
            return {}
        views, labels = self._last
        num_views = len(self.queries)
        image = torch.arange(len(labels), device=labels.device).repeat(num_views)  # (N,)
        labels = labels.repeat(num_views)
        is_other_image = image[:, None] != image  # (N, N)
        is_other_view = ~(is_other_image | torch.eye(len(image), device=image.device).bool())
        is_negative = is_other_image & repelling(self.loss, labels, labels)
        similarities = views @ views.T  # (N, N)
        hardest = similarities.masked_fill(~is_negative, -torch.inf).amax(1, keepdim=True)
        return {
            "accuracy": _mean((similarities > hardest).to(views.dtype), is_other_view),
            "positive_similarity": _mean(similarities, is_other_view),
            "negative_similarity": _mean(similarities, is_negative),
            "spread": spread(views),
        }


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return values.masked_fill(~chosen, 0.0).sum() / chosen.sum()
