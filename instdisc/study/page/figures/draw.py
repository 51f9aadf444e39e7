"""All figures of the page that there is data for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..material import Study
from ..values import Values
from ..verdicts import Claim
from .drawing import Drawing
from .factors import draw_factors
from .forest import draw_forest
from .spread import draw_spread
from .stages import draw_stages
from .transfer import draw_transfer

_Draw = Callable[[Study, Sequence[Claim], Values], Drawing | None]
FIGURES: dict[str, _Draw] = {
    "forest": draw_forest,
    "transfer": draw_transfer,
    "spread": draw_spread,
    "stages": draw_stages,
    "factors": draw_factors,
}


def draw_figures(study: Study, claims: Sequence[Claim], values: Values) -> dict[str, Drawing]:
    """The figures by name.

    Args:
        study: what is recorded.
        claims: with their verdicts.
        values: of the records.
    """
    drawn = {name: draw(study, claims, values) for name, draw in FIGURES.items()}
    return {name: drawing for name, drawing in drawn.items() if drawing is not None}
