"""The loss of VICReg as a term of a total loss.

Legend: B batch on this process, D width of the projection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.losses.vicreg import VICRegTerms, vicreg_terms
from instdisc.models.mlp import linear_widths

from ..arguments import check_arguments
from .objective import Objective
from .readings import spread


class VICReg(Objective):
    """Invariance, variance and covariance of two views, with their projector.

    Args:
        projector: makes ``(B, D)`` of features ``(B, dim)``, as `MLP`; its output is not
            normalised.
        invariance_weight: of the squared difference of the views; see `vicreg_loss`.
        variance_weight: of what the columns' standard deviations lack of 1.
        covariance_weight: of the covariances of different columns.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if an argument is out of range.

    Example:
        >>> from instdisc.models import MLP
        >>> term = VICReg(MLP(8, (16, 4), last_bias=False))
        >>> term({0: torch.randn(6, 8), 1: torch.randn(6, 8)}, {}, torch.zeros(6)).shape
        torch.Size([])
    """

    queries = (0, 1)
    within_batch = True

    def __init__(
        self,
        projector: nn.Module,
        *,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight=weight)
        check_arguments(VICReg.__init__, locals())
        self.projector = projector
        self.invariance_weight = invariance_weight
        self.variance_weight = variance_weight
        self.covariance_weight = covariance_weight
        self._last: tuple[Tensor, VICRegTerms] | None = None

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        first, second = self.projector(queries[0]), self.projector(queries[1])  # (B, D)
        terms = vicreg_terms(first, second)
        self._last = (first.detach(), VICRegTerms(*(term.detach() for term in terms)))
        return (
            self.invariance_weight * terms.invariance
            + self.variance_weight * terms.variance
            + self.covariance_weight * terms.covariance
        )

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Of the last batch.

        Returns:
            ``invariance``, ``variance`` (0 to 0.99, the latter when collapsed), ``covariance``:
            the terms without their factors; ``spread``: standard deviation of the normalised
            outputs times sqrt(D), about 1 when they fill the sphere and 0 when they collapsed.
        """
        if self._last is None:
            return {}
        output, terms = self._last
        return {**terms._asdict(), "spread": spread(F.normalize(output.float(), dim=1))}

    def structure(self) -> dict[str, Any]:
        return {"projector": linear_widths(self.projector)}
