"""One view's target predicted from the other view, as a term of a total loss.

Legend: B batch on this process, D width of the projection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc.checks import refuse
from instdisc.losses.inputs import at_least_float32
from instdisc.models import MLP, MomentumEncoder
from instdisc.models.mlp import linear_widths

from ..arguments import check_arguments
from .objective import Objective, ParameterOptions
from .readings import spread


class Prediction(Objective):
    r"""Predicts from each of two views the projection that a momentum encoder makes of the other.

    With the features :math:`f_v` of view v, its prediction is
    :math:`p_v = \text{predictor}(\text{projector}(f_v))` and its target
    :math:`t_v = \text{momentum\_projector}(f'_v)` of the momentum backbone's features, without
    gradient. All are scaled to unit length, in float32 at least, and

    .. math:: L = c(p_0, t_1) + c(p_1, t_0)

    where :math:`c` is the mean of :math:`|p - t|^2 = 2 - 2 \cos(p, t)` over the batch. A subclass
    that overrides `compare` compares them otherwise.

    Args:
        projector: of the features, to width D.
        predictor: from D to D.
        momentum: m of the momentum projector; ``None``: there is no momentum encoder, and the
            target is the view's own projection, without gradient.
        fixed_predictor_rate: let the predictor's learning rate stay at its base, whatever the
            schedule.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a width does not fit the one before, or another argument is out of range.

    Source:
        Grill et al., "Bootstrap Your Own Latent" (2020), equation 2 in both directions.

    Example:
        >>> term = Prediction(MLP(4, (8, 2)), MLP(2, (8, 2)), momentum=0.9)
        >>> term.keys, Prediction(MLP(4, (8, 2)), MLP(2, (8, 2)), momentum=None).keys
        ((0, 1), ())
    """

    queries = (0, 1)

    def __init__(
        self,
        projector: MLP,
        predictor: MLP,
        *,
        momentum: float | None = 0.996,
        fixed_predictor_rate: bool = False,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight=weight)
        check_arguments(Prediction.__init__, locals())
        _check_widths(projector, predictor)
        self.keys = () if momentum is None else (0, 1)
        self.projector = projector
        self.predictor = predictor
        self.momentum_projector = None if momentum is None else MomentumEncoder(projector, momentum)
        self.fixed_predictor_rate = fixed_predictor_rate
        # Of each view, (B, D) each: projections, predictions, targets.
        self._last: tuple[list[Tensor], list[Tensor], list[Tensor]] | None = None

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        projections = [self.projector(queries[view]) for view in self.queries]  # (B, D) each
        predictions = [_unit(self.predictor(projection)) for projection in projections]
        if self.momentum_projector is None:
            targets = [_unit(projection.detach()) for projection in projections]
        else:
            targets = [_unit(self.momentum_projector(keys[view])) for view in self.keys]
        self._last = (
            [projection.detach() for projection in projections],
            [prediction.detach() for prediction in predictions],
            targets,
        )
        first = self.compare(predictions[0], targets[1], labels)
        return first + self.compare(predictions[1], targets[0], labels)

    def compare(self, predictions: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """The loss of one direction.

        Args:
            predictions: ``(B, D)`` of one view, rows of unit length.
            targets: ``(B, D)`` of the other view, rows of unit length; without gradient.
            labels: ``(B,)`` int64.

        Returns:
            Scalar.
        """
        return 2 - 2 * (predictions * targets).sum(1).mean()

    def after_step(self) -> None:
        if self.momentum_projector is not None:
            self.momentum_projector.update(self.projector)

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Of the last batch on this process.

        Returns:
            ``similarity``: mean cosine of predictions and targets; ``spread``: standard deviation
            of the projections, scaled to unit length, times sqrt(D): about 1 when they fill the
            sphere and 0 when they collapsed.
        """
        if self._last is None:
            return {}
        projections, predictions, targets = self._last
        similarities = [
            (predictions[view] * targets[1 - view]).sum(1).mean() for view in self.queries
        ]
        spreads = [spread(_unit(projection)) for projection in projections]
        return {
            "similarity": torch.stack(similarities).mean(),
            "spread": torch.stack(spreads).mean(),
        }

    def structure(self) -> dict[str, Any]:
        return {
            "projector": linear_widths(self.projector),
            "predictor": linear_widths(self.predictor),
        }

    def parameter_options(self, name: str) -> ParameterOptions:
        is_fixed = self.fixed_predictor_rate and name.startswith("predictor.")
        return ParameterOptions(scheduled=not is_fixed)


class CosinePrediction(Prediction):
    r"""`Prediction` with half the negative cosine of each direction as its loss.

    So the loss :math:`L = -(\cos(p_0, t_1) + \cos(p_1, t_0)) / 2` lies in [-1, 1], begins near 0,
    and is a quarter of that of `Prediction`, less 1. The arguments, and what is raised, are those
    of `Prediction`.

    Source:
        Chen and He, "Exploring Simple Siamese Representation Learning" (2021), equation 4.

    Example:
        >>> term = CosinePrediction(MLP(4, (8, 2)), MLP(2, (8, 2)), momentum=None)
        >>> vectors = torch.eye(2)
        >>> term.compare(vectors, vectors, torch.arange(2))
        tensor(-0.5000)
    """

    def compare(self, predictions: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        return -(predictions * targets).sum(1).mean() / 2


def _check_widths(projector: MLP, predictor: MLP) -> None:
    if predictor.dim != projector.widths[-1]:
        rule = f"for features of width {projector.widths[-1]}, the last of `projector`"
        refuse("predictor", rule, predictor.dim)
    if predictor.widths[-1] != projector.widths[-1]:
        rule = f"to width {projector.widths[-1]}, the last of `projector`, which it predicts"
        refuse("predictor", rule, predictor.widths[-1])


def _unit(features: Tensor) -> Tensor:
    """Rows of unit length, in float32 at least, whatever autocast is on."""
    return F.normalize(at_least_float32(features), dim=1)
