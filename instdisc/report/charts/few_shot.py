"""Few-shot accuracy by the number of shots."""

from __future__ import annotations

from ..comparison import Comparison
from ..material import Material
from .chart import Chart
from .curves import Course, draw_courses, panel_name
from .measured import Measured, group_by, measure, set_names
from .methods import arrange


def draw_shots(material: Material, comparison: Comparison) -> list[Chart]:
    """Accuracy over shots for each data set and classifier of which there are several.

    Args:
        material: records; those with ``shots`` in their settings are drawn.
        comparison: of the same records: it orders the methods.
    """
    values = measure(
        material,
        lambda r: r.task.startswith("few_shot") and isinstance(r.settings.get("shots"), int),
    )
    names = set_names(values)

    def panel(value: Measured) -> tuple[str, ...]:
        result, record = value.result, value.record
        # The classifier and the ways are what the metric says beside the shots.
        metric = result.metric.replace(f"{record.settings['shots']}-shot", "")
        task = "" if result.task == "few_shot" else result.task.removeprefix("few_shot_")
        return names[result.dataset], " ".join(metric.split()), task, result.variant

    course = Course(
        name="few-shot",
        title="Few-shot accuracy by shots",
        what="Accuracy of few-shot episodes by the number of images of each class that a "
        "classifier is fitted to.",
        x="shots (images of each class)",
        y="accuracy",
        log=True,
    )
    panels = {panel_name(key): group for key, group in group_by(values, panel).items()}
    return draw_courses(course, panels, _shots, arrange(material, comparison))


def _shots(value: Measured) -> float:
    return float(value.record.settings["shots"])
