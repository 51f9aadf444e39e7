"""Contrast of predictions with the targets of the batch, as a term of a total loss.

Legend: B batch on this process, D width of the projection.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from instdisc.losses import ContrastiveLoss, contrast_with_keys
from instdisc.models import MLP

from ..arguments import check_arguments
from .prediction import Prediction
from .readings import repelling


class PredictedContrast(Prediction):
    r"""`Prediction` that must tell the target of its image from the targets of all others.

    With :math:`p_v` and :math:`t_v` as in `Prediction`, and :math:`\ell` the contrastive loss of
    the queries p, each with its own key among the keys t of the global batch
    (`contrast_with_keys`),

    .. math:: L = 2 T \, (\ell(p_0, t_1) + \ell(p_1, t_0))

    There is no queue. The rules of the loss say what the keys of the query's class do.

    Args:
        projector: of the features, to width D.
        predictor: from D to D.
        loss: which keys of the other images attract and repel; gives T.
        momentum: m of the momentum projector; ``None``: see `Prediction`.
        fixed_predictor_rate: see `Prediction`.
        needs_labels: refuse images of unknown class.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a width does not fit the one before, or another argument is out of range.

    Source:
        Chen et al., "An Empirical Study of Training Self-Supervised Vision Transformers" (2021),
        algorithm 1.

    Example:
        >>> from instdisc.losses import InstanceDiscriminationLoss
        >>> heads = MLP(4, (8, 2)), MLP(2, (8, 2))
        >>> term = PredictedContrast(*heads, loss=InstanceDiscriminationLoss(0.5), momentum=0.9)
        >>> vectors, labels = torch.eye(2), torch.tensor([0, 1])
        >>> term.compare(vectors, vectors, labels)  # log(1 + exp(0 - 2)), times 2 T = 1
        tensor(0.1269)
    """

    within_batch = True

    def __init__(
        self,
        projector: MLP,
        predictor: MLP,
        *,
        loss: ContrastiveLoss,
        momentum: float | None = 0.99,
        fixed_predictor_rate: bool = False,
        needs_labels: bool = False,
        weight: float = 1.0,
    ) -> None:
        check_arguments(PredictedContrast.__init__, locals())
        super().__init__(
            projector,
            predictor,
            momentum=momentum,
            fixed_predictor_rate=fixed_predictor_rate,
            weight=weight,
        )
        self.loss = loss
        self.needs_labels = needs_labels
        self._labels: Tensor | None = None  # of the last batch

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        self._labels = labels
        return super().forward(queries, keys, labels)

    def compare(self, predictions: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        loss = contrast_with_keys(self.loss, predictions, targets, labels)
        return loss * (2 * self.loss.temperature)

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Of the last batch on this process, among its own keys alone.

        Returns:
            Those of `Prediction`; ``accuracy``: share of predictions more similar to their target
            than to any negative; ``negative_similarity``: mean cosine with negatives (nan if there
            is none).
        """
        if self._last is None or self._labels is None:
            return {}
        _, predictions, targets = self._last
        is_negative = ~torch.eye(len(self._labels), dtype=torch.bool, device=self._labels.device)
        is_negative &= repelling(self.loss, self._labels, self._labels)
        accuracies, similarities = [], []
        for view in self.queries:
            similarity = predictions[view] @ targets[1 - view].T  # (B, B)
            hardest = similarity.masked_fill(~is_negative, -torch.inf).amax(1)  # (B,)
            accuracies.append((similarity.diagonal() > hardest).to(similarity.dtype).mean())
            similarities.append(similarity.masked_fill(~is_negative, 0.0).sum() / is_negative.sum())
        return {
            **super().statistics(),
            "accuracy": torch.stack(accuracies).mean(),
            "negative_similarity": torch.stack(similarities).mean(),
        }
