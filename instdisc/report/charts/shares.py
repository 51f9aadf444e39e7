"""Accuracy by how many labels there were to learn from."""

from __future__ import annotations

from ..comparison import Comparison
from ..material import Material
from .chart import Chart
from .curves import Course, draw_courses, panel_name
from .measured import Measured, group_by, headlines, set_names
from .methods import arrange


def draw_shares(material: Material, comparison: Comparison) -> list[Chart]:
    """The headline metric of each task over the share of labels, and over labels of each class.

    Args:
        material: records.
        comparison: of the same records; results with ``share`` or ``per_class`` in their settings
            are drawn.
    """
    methods = arrange(material, comparison)
    of_share = Course(
        name="label-share",
        title="Accuracy by share of labels",
        what="Accuracy by the share of the training labels that were used; the same images for "
        "every method.",
        x="labels (% of the training set)",
        log=True,
    )
    of_class = Course(
        name="labels-per-class",
        title="Accuracy by labels of each class",
        what="Accuracy by the number of labelled images of each class; the same images for every "
        "method.",
        x="labels of each class",
        log=True,
    )
    return [
        *draw_courses(of_share, _panels(comparison, "share"), _share, methods),
        *draw_courses(of_class, _panels(comparison, "per_class"), _per_class, methods),
    ]


def _panels(comparison: Comparison, setting: str) -> dict[str, list[Measured]]:
    def drawn(value: Measured) -> bool:
        settings = value.record.settings
        if setting == "share" and settings.get("per_class") is not None:
            return False
        number = settings.get(setting)
        return isinstance(number, int | float) and number > 0

    values = [value for value in headlines(comparison) if drawn(value)]
    names = set_names(values)
    groups = group_by(values, lambda v: (names[v.result.dataset], v.result.task, _apart(v)))
    return {panel_name(key): group for key, group in groups.items()}


def _apart(value: Measured) -> str:
    """What sets a result apart beside the labels that there were."""
    of_labels = ("share ", "per class ", "train ")
    parts = value.result.variant.split(", ")
    return ", ".join(part for part in parts if not part.startswith(of_labels))


def _share(value: Measured) -> float:
    return 100 * float(value.record.settings["share"])


def _per_class(value: Measured) -> float:
    return float(value.record.settings["per_class"])
