"""Lines with intervals, a panel for each data set: accuracy by shots, stage and share of labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator

from .chart import Chart
from .measured import Measured, group_by, interval_sentence, ranking, unit_of
from .methods import Methods
from .style import Style, add_legend, name_axes, name_panel, new_panels

MOST_PANELS = 6  # of a figure; more are split over several


class Course(NamedTuple):
    """What a figure of curves says.

    Attributes:
        name: of the chart.
        title: of the chart.
        what: the beginning of its caption.
        x: label of the axis, with the unit.
        y: label of the values without the unit; ``""``: the metric.
        log: whether the axis is logarithmic.
    """

    name: str
    title: str
    what: str
    x: str
    y: str = ""
    log: bool = False


def draw_courses(
    course: Course,
    panels: Mapping[str, Sequence[Measured]],
    place: Callable[[Measured], float],
    methods: Methods,
) -> list[Chart]:
    """A figure for each six panels; only panels with at least two places are drawn.

    Args:
        course: what is drawn.
        panels: values by the name of their panel; those of a panel share a unit.
        place: where a value stands.
        methods: of the report.
    """
    kept = [(name, v) for name, v in panels.items() if len({place(value) for value in v}) > 1]
    parts = [kept[start : start + MOST_PANELS] for start in range(0, len(kept), MOST_PANELS)]
    return [_draw(course, dict(part), place, methods, k) for k, part in enumerate(parts)]


def _draw(
    course: Course,
    panels: Mapping[str, Sequence[Measured]],
    place: Callable[[Measured], float],
    methods: Methods,
    part: int,
) -> Chart:
    present = {value.method for values in panels.values() for value in values}
    chosen = methods.choose(present)
    figure, grid = new_panels(len(panels), height=2.5)
    told_panels = []
    drawn = []
    for axes, (name, values) in zip(grid, panels.items(), strict=True):
        for method, line in group_by(values, lambda value: value.method).items():
            if method in chosen:
                line = sorted(line, key=place)
                _draw_line(axes, [place(value) for value in line], line, methods.styles[method])
                drawn += line
        places = sorted({place(value) for value in values})
        if course.log:
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(places, [f"{x:g}" for x in places])
        axes.grid(axis="y", color="#d9dce1", linewidth=0.6)
        result = values[0].result
        name_axes(axes, x=course.x, y=unit_of(course.y or result.metric, result.unit))
        name_panel(axes, name)
        told_panels.append(f"{name}: {_gist(values, place)}")
    handles = [line_handle(methods.styles[method]) for method in chosen]
    add_legend(figure, handles, chosen)
    more = f", part {part + 1}" if part else ""
    return Chart(
        name=course.name + (f"-{part + 1}" if part else ""),
        title=course.title + more,
        caption=course.what + interval_sentence(drawn) + methods.left_out(present),
        alternative="; ".join(told_panels) + ".",
        figure=figure,
    )


def _draw_line(axes: Axes, places: list[float], line: list[Measured], style: Style) -> None:
    values = [value.pooled.value for value in line]
    axes.plot(
        places,
        values,
        color=style.colour,
        linestyle=style.line,
        marker=style.marker,
        markersize=4.5,
        linewidth=1.5,
    )
    for x, value in zip(places, line, strict=True):
        if value.pooled.low is not None and value.pooled.high is not None:
            axes.plot([x, x], [value.pooled.low, value.pooled.high], color=style.colour, lw=1.2)


def line_handle(style: Style) -> Line2D:
    """What stands for a method's line in a legend."""
    return Line2D(
        [], [], color=style.colour, linestyle=style.line, marker=style.marker, markersize=4.5
    )


def _gist(values: Sequence[Measured], place: Callable[[Measured], float]) -> str:
    """The methods at the first and the last place."""
    places = sorted({place(value) for value in values})
    ends = [(x, [v for v in values if place(v) == x]) for x in (places[0], places[-1])]
    return "; ".join(f"at {x:g} {ranking(group)}" for x, group in ends)


def panel_name(values: Iterable[str]) -> str:
    """The parts of a panel's name that say something."""
    return ", ".join(filter(None, values))
