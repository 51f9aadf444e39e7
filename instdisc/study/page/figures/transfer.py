"""Transfer by method and set, a dot for each seed."""

from __future__ import annotations

from collections.abc import Sequence

from instdisc.report.charts.style import (
    NARROW,
    SMALL,
    WIDE,
    name_axes,
    name_panel,
    new_figure,
)
from instdisc.report.grid import number

from ..material import Study
from ..values import Summary, Values
from ..verdicts import Claim
from ..words import label
from .drawing import Drawing, is_hollow, method_styles

_ROW = 0.2  # inches


def draw_transfer(study: Study, claims: Sequence[Claim], values: Values) -> Drawing | None:
    """A panel for the source and each target: top-1 of the readout.

    Args:
        study: for methods and sets.
        claims: the same as for the other figures.
        values: of its records.
    """
    columns = values.columns(*study.transfer, [study.source, *study.sets("transfer")])
    task, metric = study.transfer
    shown = {
        method: [values.summary(method, column) for column in columns] for method in study.methods
    }
    methods = [method for method, row in shown.items() if any(row)]
    if not methods:
        return None
    styles = method_styles(study)
    across = min(3, len(columns))
    down = -(-len(columns) // across)
    figure, panels = new_figure(
        WIDE if across > 1 else NARROW,
        down * (len(methods) * _ROW + 0.95),
        down,
        across,
        sharey=True,
    )
    for axes in panels[len(columns) :]:
        axes.set_axis_off()
    for place, column in enumerate(columns):
        axes = panels[place]
        for y, method in enumerate(methods):
            summary = shown[method][place]
            if summary is None:
                continue
            style = styles[method]
            axes.plot([summary.mean] * 2, [y - 0.34, y + 0.34], color=style.colour, linewidth=1.6)
            axes.plot(
                list(summary.by_seed.values()),
                [y] * len(summary.by_seed),
                marker=style.marker,
                markersize=4.5,
                linestyle="",
                color=style.colour,
                markerfacecolor="white" if is_hollow(method) else style.colour,
            )
        axes.grid(axis="x", color="#d9dce1", linewidth=0.6)
        axes.set_yticks(range(len(methods)), [label(method) for method in methods], fontsize=SMALL)
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        name_panel(axes, column.title + (" (source)" if column.sets == (study.source,) else ""))
        name_axes(axes, x=f"{metric} (%)")
    told = [
        f"{column.title}: {_best(methods, [shown[method][place] for method in methods])}"
        for place, column in enumerate(columns)
    ]
    return Drawing(
        "Transfer by method and set",
        f"{metric.capitalize()} of {task.replace('_', ' ')}: a mark for each seed, and a line at "
        "their mean. Axes differ from set to set.",
        f"Best mean: {'; '.join(told)}.",
        figure,
    )


def _best(methods: Sequence[str], cells: Sequence[Summary | None]) -> str:
    there = [(cell.mean, method) for cell, method in zip(cells, methods, strict=True) if cell]
    mean, method = max(there, key=lambda pair: pair[0])
    return f"{label(method)} {number(mean, 1)} %"
