"""Probes of the stages of the networks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..material import Study
from ..values import Column, Values
from ..verdicts import Claim
from .courses import draw_courses
from .drawing import Drawing

_TASK = re.compile(r"stage(\d+)_readout")


def draw_stages(study: Study, claims: Sequence[Claim], values: Values) -> Drawing | None:
    """A panel for the source and each target.

    Args:
        study: for methods and sets.
        claims: the same as for the other figures.
        values: of its records.
    """
    tasks = {
        int(match.group(1)): task
        for task, metric in values.quantities()
        if (match := _TASK.fullmatch(task)) and metric == "top-1"
    }
    sets = dict.fromkeys([study.source, *study.sets("transfer")])
    there = (name for task in tasks.values() for name in values.sets(task, "top-1"))
    sets.update(dict.fromkeys(there))
    panels = {
        name + (" (source)" if name == study.source else ""): {
            stage: Column("", tasks[stage], "top-1", (name,)) for stage in sorted(tasks)
        }
        for name in sets
    }
    drawn = draw_courses(study, values, panels, "top-1 (%)")
    if drawn is None:
        return None
    figure, told = drawn
    return Drawing(
        "Readout by stage",
        "Top-1 of a linear readout on each stage, shallow to deep: means over seeds; upright lines "
        "are their 95 % t intervals, where there are three seeds. Axes differ from set to set.",
        told,
        figure,
    )
