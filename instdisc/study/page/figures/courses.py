"""Lines over the stages of the networks, a panel for each quantity."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from instdisc.report.charts.curves import line_handle
from instdisc.report.charts.style import (
    WIDE,
    add_legend,
    name_axes,
    name_panel,
    new_figure,
)
from instdisc.report.grid import number

from ..material import Study
from ..values import Column, Summary, Values
from ..words import label
from .drawing import method_styles

_ACROSS = 3
_STEP = 0.05  # of a stage, from method to method


def draw_courses(
    study: Study, values: Values, panels: Mapping[str, Mapping[int, Column]], y: str
) -> tuple[Figure, str] | None:
    """Means over seeds with their intervals, and the gist in words; ``None`` without data.

    Args:
        study: for the main methods, which are drawn.
        values: of its records.
        panels: of each title the quantity by stage.
        y: label of the values.
    """
    lines = {
        title: {
            method: {
                stage: summary
                for stage, column in columns.items()
                if (summary := values.summary(method, column)) is not None
            }
            for method in study.main_methods
        }
        for title, columns in panels.items()
    }
    # Methods without data take no room.
    lines = {title: {m: by for m, by in of.items() if by} for title, of in lines.items()}
    lines = {title: of for title, of in lines.items() if of}
    if not lines:
        return None
    styles = method_styles(study)
    across = min(_ACROSS, len(lines))
    down = -(-len(lines) // across)
    figure, grid = new_figure(WIDE if across > 1 else 4.8, 2.5 * down, down, across)
    for axes in grid[len(lines) :]:
        axes.set_axis_off()
    told = []
    for place, (title, of) in enumerate(lines.items()):
        axes = grid[place]
        for number_of, (method, by_stage) in enumerate(of.items()):
            # Beside each other, so that intervals do not cover each other.
            shift = (number_of - (len(of) - 1) / 2) * _STEP
            style = styles[method]
            for stage, summary in by_stage.items():
                if summary.half is not None:
                    ends = [summary.mean - summary.half, summary.mean + summary.half]
                    axes.plot([stage + shift] * 2, ends, color=style.colour, linewidth=0.9)
            axes.plot(
                [stage + shift for stage in by_stage],
                [summary.mean for summary in by_stage.values()],
                color=style.colour,
                linestyle=style.line,
                marker=style.marker,
                markersize=4.5,
                linewidth=1.4,
            )
        stages = sorted({stage for by_stage in of.values() for stage in by_stage})
        axes.set_xticks(stages, [str(stage) for stage in stages])
        axes.grid(axis="y", color="#d9dce1", linewidth=0.6)
        name_panel(axes, title)
        lowest, first = place >= len(lines) - across, place % across == 0
        name_axes(axes, x="stage" if lowest else "", y=y if first else "")
        told.append(f"{title}, stage {stages[-1]}: {_ends(of, stages[-1])}")
    present = [
        method for method in study.main_methods if any(method in of for of in lines.values())
    ]
    handles = [line_handle(styles[method]) for method in present]
    add_legend(figure, handles, [label(method) for method in present])
    return figure, "; ".join(told) + "."


def _ends(of: Mapping[str, Mapping[int, Summary]], stage: int) -> str:
    """The highest and the lowest of a panel at a stage."""
    means = sorted(
        (by_stage[stage].mean, method) for method, by_stage in of.items() if stage in by_stage
    )
    texts = [f"{label(method)} {number(mean, 2)}" for mean, method in (means[-1], means[0])]
    return f"{texts[0]} to {texts[1]}" if len(means) > 1 else texts[0]
