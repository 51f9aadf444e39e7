"""The loss of Barlow Twins as a term of a total loss.

Legend: B batch on this process, D width of the projection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.losses.barlow_twins import BarlowTwinsTerms, barlow_twins_terms
from instdisc.models.mlp import linear_widths

from ..arguments import check_arguments
from .objective import Objective
from .readings import spread


class BarlowTwins(Objective):
    """The correlations between two views against the identity, with their projector.

    Args:
        projector: makes ``(B, D)`` of features ``(B, dim)``, as `MLP`; its output is not
            normalised.
        redundancy_weight: of the correlations of different columns; see `barlow_twins_loss`.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if an argument is out of range.

    Example:
        >>> from instdisc.models import MLP
        >>> term = BarlowTwins(MLP(8, (16, 4), last_bias=False))
        >>> term({0: torch.randn(6, 8), 1: torch.randn(6, 8)}, {}, torch.zeros(6)).shape
        torch.Size([])
    """

    queries = (0, 1)
    within_batch = True

    def __init__(
        self,
        projector: nn.Module,
        *,
        redundancy_weight: float = 0.0051,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight=weight)
        check_arguments(BarlowTwins.__init__, locals())
        self.projector = projector
        self.redundancy_weight = redundancy_weight
        self._last: tuple[Tensor, BarlowTwinsTerms] | None = None

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        first, second = self.projector(queries[0]), self.projector(queries[1])  # (B, D)
        terms = barlow_twins_terms(first, second)
        detached = BarlowTwinsTerms(*(term.detach() for term in terms))
        self._last = (first.detach(), detached)
        return terms.invariance + self.redundancy_weight * terms.redundancy

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Of the last batch.

        Returns:
            ``deviation``: root of the mean squared difference from 1 of the correlations of equal
            columns; ``redundancy``: root of the mean squared correlation of different columns;
            ``spread``: standard deviation of the normalised outputs times sqrt(D), about 1 when
            they fill the sphere and 0 when they collapsed.
        """
        if self._last is None:
            return {}
        output, terms = self._last
        width = output.shape[1]
        return {
            "deviation": (terms.invariance / width).sqrt(),
            "redundancy": (terms.redundancy.clamp(min=0) / max(1, width * (width - 1))).sqrt(),
            "spread": spread(F.normalize(output.float(), dim=1)),
        }

    def structure(self) -> dict[str, Any]:
        return {"projector": linear_widths(self.projector)}
