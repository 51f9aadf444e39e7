"""Classes of two methods against each other: where one is better, and where the other.

Legend: N images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from ..comparison import Comparison
from ..kinds import is_called_random
from ..material import Material
from .chart import Chart
from .class_dots import Panel, draw_dots
from .measured import Measured, group_by, headlines, set_names, slug
from .methods import Methods, arrange
from .style import Style, add_legend, new_panels

_MOST_PANELS = 6
_FEWEST = 2  # classes


def draw_classes(material: Material, comparison: Comparison) -> list[Chart]:
    """A dot for each class: what B reaches to the right, what A reaches upwards.

    A and B are the two pretrained methods of the best mean rank that share a data set; random
    weights stand in for a second one.

    Args:
        material: records, with predictions for classification.
        comparison: of the same records: it orders the methods.

    Returns:
        A chart for each task, of the first six data sets in the order of the records.
    """
    methods = arrange(material, comparison)
    charts = []
    for task, group in group_by(_classified(material, comparison), lambda v: v.result.task).items():
        names = set_names(group)
        by_set = group_by(group, lambda v: (v.result.dataset, v.result.variant))
        order = sorted(methods.order, key=is_called_random)  # stable: random weights last
        pair = _choose_pair([{v.method for v in row} for row in by_set.values()], order)
        panels = []
        for (dataset, variant), row in by_set.items():
            sides = {v.method: v for v in row}
            if pair and set(pair) <= set(sides):
                both = [_percents(material, sides[method]) for method in pair]
                common = [name for name in both[0] if name in both[1]]
                if len(common) >= _FEWEST:
                    title = ", ".join(filter(None, (names[dataset], variant)))
                    first, second = ({name: side[name] for name in common} for side in both)
                    panels.append(Panel(title, _metric(row[0]), first, second))
        if panels and pair:
            charts.append(_draw(task, pair, panels[:_MOST_PANELS], len(panels), methods))
    return charts


def recalls(
    labels: np.ndarray, predictions: np.ndarray, names: Sequence[str] = ()
) -> dict[str, float]:
    """Percent right of each class.

    Args:
        labels: ``(N,)`` classes.
        predictions: ``(N,)`` classes.
        names: of the classes; "class 7" where there is none.

    Example:
        >>> recalls(np.array([0, 0, 2]), np.array([0, 2, 2]))
        {'class 0': 50.0, 'class 2': 100.0}
    """
    hits = labels == predictions
    named = [names[k] if 0 <= k < len(names) else f"class {k}" for k in np.unique(labels)]
    shares = [100 * float(hits[labels == k].mean()) for k in np.unique(labels)]
    return dict(zip(named, shares, strict=True))


def _classified(material: Material, comparison: Comparison) -> list[Measured]:
    """The headlines of tasks that have a value for each class: by predictions or by records."""
    return [
        value
        for value in headlines(comparison)
        if value.result.unit == "%" and (_records(material, value) or _predicted(material, value))
    ]


def _records(material: Material, value: Measured) -> dict[str, float]:
    """Values of single classes: metrics like "box AP, cat" of the same run."""
    start = ("IoU" if value.result.metric == "mIoU" else value.result.metric) + ", "
    return {
        record.metric.removeprefix(start): record.value
        for record in material.records
        if record.job == value.record.job and record.job and record.metric.startswith(start)
        if record.task == value.result.task and record.dataset == value.result.dataset
    }


def _predicted(material: Material, value: Measured) -> bool:
    arrays = material.arrays(value.record)
    return arrays is not None and {"label", "prediction"} <= set(arrays)


def _percents(material: Material, value: Measured) -> dict[str, float]:
    of_records = _records(material, value)
    if of_records:
        return of_records
    arrays = material.arrays(value.record) or {}
    return recalls(arrays["label"], arrays["prediction"], material.class_names(value.record))


def _metric(value: Measured) -> str:
    if value.result.metric == "mIoU":
        return "IoU"
    return "accuracy" if value.result.metric == "top-1" else value.result.metric


def _choose_pair(rows: list[set[str]], order: list[str]) -> tuple[str, str] | None:
    """The first two in the order that share a data set."""
    for k, a in enumerate(order):
        for b in order[k + 1 :]:
            if any({a, b} <= row for row in rows):
                return a, b
    return None


def _draw(
    task: str, pair: tuple[str, str], panels: list[Panel], total: int, methods: Methods
) -> Chart:
    figure, grid = new_panels(len(panels), height=3.0)
    gists = []
    for axes, panel in zip(grid, panels, strict=True):
        draw_dots(axes, panel, pair, methods.styles)
        above = sum(panel.first[name] > panel.second[name] for name in panel.first)
        below = sum(panel.first[name] < panel.second[name] for name in panel.first)
        gaps = {name: abs(panel.first[name] - panel.second[name]) for name in panel.first}
        gap = max(gaps, key=gaps.__getitem__)
        gists.append(
            f"{panel.name}: {pair[0]} is better in {above} of {len(panel.first)} classes, "
            f"{pair[1]} in {below}; widest apart in {gap}, {panel.first[gap]:.1f} against "
            f"{panel.second[gap]:.1f} %"
        )
    handles = [Line2D([], [], **_dot(methods.styles[method])) for method in pair]
    add_legend(figure, handles, [f"{method} is better" for method in pair])
    left_out = f" Of {total} data sets the first {len(panels)}." if total > len(panels) else ""
    return Chart(
        name=slug("classes", task),
        title=f"{task}: classes of {pair[0]} against {pair[1]}",
        caption=f"A dot for each class of the test set; above the diagonal {pair[0]} is better. "
        f"Named are the classes in which the two are widest apart. Of several seeds the first."
        + left_out,
        alternative="; ".join(gists) + ".",
        figure=figure,
    )


def _dot(style: Style) -> dict[str, Any]:
    return {"color": style.colour, "marker": style.marker, "linestyle": "", "markersize": 5}
