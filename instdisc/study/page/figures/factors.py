"""What each stage tells of the factors of scenes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..material import Study
from ..values import Column, Values
from ..verdicts import Claim
from .courses import draw_courses
from .drawing import Drawing

_TASK = re.compile(r"stage(\d+)_factors")
_METRIC = re.compile(r"R2 (.+)")


def draw_factors(study: Study, claims: Sequence[Claim], values: Values) -> Drawing | None:
    """A panel for each factor that is a number.

    Args:
        study: for methods.
        claims: the same as for the other figures.
        values: of its records.
    """
    panels: dict[str, dict[int, Column]] = {}
    for task, metric in values.quantities():
        stage, factor = _TASK.fullmatch(task), _METRIC.fullmatch(metric)
        if stage and factor:
            for column in values.columns(task, metric, ["scenes"])[:1]:
                panels.setdefault(factor.group(1), {})[int(stage.group(1))] = column
    panels = {name: dict(sorted(columns.items())) for name, columns in panels.items()}
    drawn = draw_courses(study, values, panels, "R2")
    if drawn is None:
        return None
    figure, told = drawn
    return Drawing(
        "Factors of scenes by stage",
        "R2 of a ridge regression from the features of each stage to what is true of a scene, on "
        "scenes not fitted to: means over seeds; upright lines are their 95 % t intervals, where "
        "there are three seeds. Axes differ from factor to factor.",
        told,
        figure,
    )
