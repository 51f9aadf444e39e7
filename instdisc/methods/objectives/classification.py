"""Softmax cross-entropy as a term of a total loss.

Legend: B batch on this process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.checks import whole

from ..arguments import check_arguments
from .objective import Objective


class Classification(Objective):
    """Softmax cross-entropy with a linear classifier.

    Args:
        dim: width of the features.
        num_classes: number of classes, at least 2.
        both_views: classify two views of each image instead of one.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if `num_classes` is below 2, or another argument out of range.
    """

    needs_labels = True

    def __init__(
        self, dim: int, num_classes: int, *, both_views: bool = False, weight: float = 1.0
    ) -> None:
        super().__init__(weight=weight)
        check_arguments(Classification.__init__, locals())
        whole("dim", dim)
        self.queries = (0, 1) if both_views else (0,)
        self.classifier = nn.Linear(dim, num_classes)
        self._accuracy: Tensor | None = None

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        features = torch.cat([queries[view] for view in self.queries])
        labels = labels.repeat(len(self.queries))
        logits = self.classifier(features).float()
        self._accuracy = (logits.detach().argmax(1) == labels).float().mean()
        return F.cross_entropy(logits, labels)

    def check_batch(self, labels: Tensor) -> None:
        super().check_batch(labels)
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0:
            raise ValueError(f"`labels` must be classes from 0 on, got {lowest}")
        num_classes = self.classifier.out_features
        if highest >= num_classes:
            raise ValueError(
                f"`labels` must be below the number of classes, but label {highest} is outside "
                f"`num_classes`={num_classes}. Set it to the number of classes of the data set."
            )

    def statistics(self) -> dict[str, Tensor]:
        return {} if self._accuracy is None else {"accuracy": self._accuracy}

    def structure(self) -> dict[str, Any]:
        return {"num_classes": self.classifier.out_features}
