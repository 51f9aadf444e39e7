"""Classes of two methods against each other: where one is better, and where the other.

Legend: N images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..material import Material
from .chart import Chart
from .measured import Measured, group_by, headlines, set_names, slug
from .methods import Methods, arrange
from .style import (
    GREY,
    SMALL,
    Style,
    add_legend,
    is_random,
    name_axes,
    name_panel,
    new_panels,
    plain,
    wrapped,
)

if TYPE_CHECKING:
    from ..comparison import Comparison

_MOST_PANELS = 6
_NAMED = 2  # classes of each method that are named in a panel
_FEWEST = 2  # classes
_LETTER = 0.032  # of the width of a panel


class Panel(NamedTuple):
    """Percent of each class, of two methods on one data set.

    Attributes:
        name: of the panel.
        metric: what the percent are.
        first: of method A, by class.
        second: of method B, by class.
    """

    name: str
    metric: str
    first: dict[str, float]
    second: dict[str, float]


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
        order = sorted(methods.order, key=is_random)  # stable: random weights last
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


def recalls(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Percent right of each class.

    Args:
        labels: ``(N,)`` classes.
        predictions: ``(N,)`` classes.

    Example:
        >>> recalls(np.array([0, 0, 2]), np.array([0, 2, 2]))
        {'class 0': 50.0, 'class 2': 100.0}
    """
    hits = labels == predictions
    return {f"class {k}": 100 * float(hits[labels == k].mean()) for k in np.unique(labels)}


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
    return recalls(arrays["label"], arrays["prediction"])


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
        _draw_panel(axes, panel, pair, methods.styles)
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


def _draw_panel(
    axes: Axes, panel: Panel, pair: tuple[str, str], styles: Mapping[str, Style]
) -> None:
    first = np.array(list(panel.first.values()))
    second = np.array(list(panel.second.values()))
    low = max(0.0, float(min(first.min(), second.min())) - 4)
    high = min(100.0, float(max(first.max(), second.max())) + 4)
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8)
    size = 26 if len(first) <= 30 else 12
    for method, better in ((pair[0], first > second), (pair[1], first < second)):
        axes.scatter(
            second[better],
            first[better],
            s=size,
            color=styles[method].colour,
            marker=styles[method].marker,
            alpha=0.75,
            linewidth=0,
            clip_on=False,
        )
    same = first == second
    axes.scatter(second[same], first[same], s=size, color=GREY, marker=".", clip_on=False)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    _name_classes(axes, panel)
    name_panel(axes, panel.name, 28)
    name_axes(axes, x=f"{_short(pair[1])}: {panel.metric} (%)", y=f"{_short(pair[0])} (%)")


def _name_classes(axes: Axes, panel: Panel) -> None:
    """The names of the classes furthest from the diagonal, as far as they do not overlap."""
    low, high = axes.get_xlim()
    taken: list[tuple[float, float, float, float]] = []
    for sign in (1, -1):
        gaps = {name: sign * (panel.first[name] - panel.second[name]) for name in panel.first}
        for name in sorted(gaps, key=gaps.__getitem__, reverse=True)[:_NAMED]:
            x, y, text = panel.second[name], panel.first[name], wrapped(name, 16)
            lines = text.split("\n")
            width = (high - low) * _LETTER * (1 + max(map(len, lines)))
            height = (high - low) * 2 * _LETTER * (1 + len(lines))
            # Away from the diagonal, unless it would leave the panel there.
            right = x - width < low if sign > 0 else x + width <= high
            left, bottom = (x if right else x - width), (y if sign > 0 else y - height)
            box = (left, bottom, left + width, bottom + height)
            if gaps[name] <= 0 or any(_overlap(box, other) for other in taken):
                continue
            taken.append(box)
            axes.annotate(
                text,
                (x, y),
                (5 if right else -5, 4 * sign),
                textcoords="offset points",
                ha="left" if right else "right",
                va="bottom" if sign > 0 else "top",
                fontsize=SMALL - 1,
            )


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _dot(style: Style) -> dict[str, Any]:
    return {"color": style.colour, "marker": style.marker, "linestyle": "", "markersize": 5}


def _short(text: str) -> str:
    return plain(text if len(text) <= 22 else text[:21] + "…")
