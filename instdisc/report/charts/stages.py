"""Accuracy of probes by the stage of the network."""

from __future__ import annotations

import re

from ..comparison import Comparison
from ..material import Material
from .chart import Chart
from .curves import Course, draw_courses, panel_name
from .measured import Measured, group_by, measure, set_names
from .methods import arrange

_TASK = re.compile(r"stage(\d+)_(knn|readout)")


def draw_stages(material: Material, comparison: Comparison) -> list[Chart]:
    """Top-1 over stages for each data set and probe.

    Args:
        material: records of `evaluate_stages`.
        comparison: of the same records: it orders the methods.
    """
    values = measure(material, lambda r: r.metric == "top-1" and bool(_TASK.fullmatch(r.task)))
    names = set_names(values)
    groups = group_by(values, lambda v: (names[v.result.dataset], _probe(v), v.result.variant))
    course = Course(
        name="stages",
        title="Accuracy by stage",
        what="Accuracy of a probe on the features of each stage, averaged over the image; the "
        "backbone is frozen.",
        x="stage (shallow to deep)",
    )
    panels = {panel_name(key): group for key, group in groups.items()}
    return draw_courses(course, panels, _stage, arrange(material, comparison))


def _stage(value: Measured) -> float:
    return float(_match(value).group(1))


def _probe(value: Measured) -> str:
    return _match(value).group(2)


def _match(value: Measured) -> re.Match[str]:
    match = _TASK.fullmatch(value.result.task)
    assert match is not None  # it is why the record was chosen
    return match
