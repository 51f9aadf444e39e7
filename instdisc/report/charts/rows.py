"""Points with intervals in rows: what forest plots and detection errors share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .measured import Measured
from .style import GREY, NARROW, SMALL, Style, add_legend, name_axes, new_figure, wrapped

_MOST_ROWS = 12  # of a figure
_MOST_POINTS = 56  # likewise: a figure fits on a printed page
_STEP = 0.16  # inches from method to method
_GAP = 0.14  # inches between rows, and at least the height of a line of text


_Row = TypeVar("_Row")


class Point(NamedTuple):
    """A value of a method.

    Attributes:
        method: its label.
        value: where the point is.
        low: where its line begins; ``None``: it has none.
        high: where it ends.
        filled: hollow points are those that a caption tells apart.
    """

    method: str
    value: float
    low: float | None = None
    high: float | None = None
    filled: bool = True


def point(value: Measured) -> Point:
    """The point of a pooled value."""
    return Point(value.method, value.pooled.value, value.pooled.low, value.pooled.high)


def split_rows(rows: Sequence[_Row], num_methods: int) -> list[Sequence[_Row]]:
    """Rows for several figures: at most 12, and fewer where many methods make them high.

    Args:
        rows: of all figures.
        num_methods: points of a row.

    Example:
        >>> [len(part) for part in split_rows(range(13), 2)], len(split_rows(range(14), 8))
        ([12, 1], 2)
    """
    most = min(_MOST_ROWS, max(3, _MOST_POINTS // max(1, num_methods)))
    return [rows[start : start + most] for start in range(0, len(rows), most)]


def draw_rows(
    rows: Mapping[str, Sequence[Point]],
    styles: Mapping[str, Style],
    *,
    label: str,
    zero: bool = False,
) -> Figure:
    """A row of points for each name; the methods stand below each other within it.

    Args:
        rows: points by the name of their row, from the top.
        styles: of all methods, in the order within a row.
        label: of the values, with the unit.
        zero: whether 0 is a line to compare with.
    """
    present = {point.method for points in rows.values() for point in points}
    methods = [method for method in styles if method in present]
    texts = [wrapped(name, 26) for name in rows]
    heights = [max(len(methods) * _STEP, (text.count("\n") + 1) * _STEP) + _GAP for text in texts]
    figure, (axes,) = new_figure(NARROW, 0.7 + sum(heights))
    top, middles = 0.0, []
    for number, (points, height) in enumerate(zip(rows.values(), heights, strict=True)):
        middle = top + height / 2
        middles.append(middle)
        if number % 2:
            axes.axhspan(top, top + height, color="#f3f4f6", linewidth=0)
        for place in points:
            shift = (methods.index(place.method) - (len(methods) - 1) / 2) * _STEP
            _draw(axes, place, middle + shift, styles[place.method])
        top += height
    if zero:
        axes.axvline(0, color=GREY, linewidth=1)
    axes.set_ylim(top, 0)
    axes.set_yticks(middles, texts, fontsize=SMALL)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#d9dce1", linewidth=0.6)
    name_axes(axes, x=label)
    handles = [_handle(styles[method]) for method in methods]
    add_legend(figure, handles, methods)
    return figure


def _draw(axes: Axes, place: Point, y: float, style: Style) -> None:
    if place.low is not None and place.high is not None:
        axes.plot([place.low, place.high], [y, y], color=style.colour, linewidth=1.4)
    axes.plot(
        place.value,
        y,
        marker=style.marker,
        color=style.colour,
        markerfacecolor=style.colour if place.filled else "white",
        markersize=5.5,
        linestyle="",
    )


def _handle(style: Style) -> Line2D:
    return Line2D([], [], marker=style.marker, color=style.colour, linestyle="", markersize=5.5)
