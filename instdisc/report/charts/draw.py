"""All figures that a report has data for."""

from __future__ import annotations

from collections import defaultdict

from instdisc.checks import checked_call

from ..comparison import Comparison
from ..material import Material
from .chart import Chart
from .critical_difference import draw_critical_difference
from .detection_errors import draw_detection_errors
from .differences import draw_differences
from .factors import draw_factors
from .few_shot import draw_shots
from .forest import draw_forest
from .landmark_error import draw_landmark_error
from .per_class import draw_classes
from .predictors import draw_predictors
from .reliability import draw_reliability
from .shares import draw_shares
from .similarity import draw_similarity
from .stages import draw_stages
from .training import draw_training

_KINDS = (
    *(draw_forest, draw_differences, draw_critical_difference),
    *(draw_shots, draw_shares, draw_stages),
    *(draw_classes, draw_reliability, draw_detection_errors, draw_landmark_error),
    *(draw_factors, draw_similarity, draw_predictors, draw_training),
)


@checked_call()
def charts(material: Material, comparison: Comparison) -> list[Chart]:
    """The figures of a report, in its order: results first, then why.

    Args:
        material: records, and what lies beside them.
        comparison: of the same records.

    Returns:
        Those that the material has data for; no two have the same name.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a file beside the records is damaged.
    """
    drawn = [chart for draw in _KINDS for chart in draw(material, comparison)]
    counts: dict[str, int] = defaultdict(int)
    named = []
    for chart in drawn:
        counts[chart.name] += 1
        again = counts[chart.name] > 1
        named.append(chart._replace(name=f"{chart.name}-n{counts[chart.name]}") if again else chart)
    return named
