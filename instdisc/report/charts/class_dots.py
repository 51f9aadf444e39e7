"""A dot for each class of two methods; the classes furthest from the diagonal are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from .style import GREY, SMALL, Style, name_axes, name_panel, shortened, wrapped

_NAMED = 2  # classes of each method that are named in a panel
_LETTER = 0.026  # of the width of a panel
_MARGIN = 0.1  # likewise, by which a name may leave it


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


def draw_dots(axes: Axes, panel: Panel, pair: tuple[str, str], styles: Mapping[str, Style]) -> None:
    """Draws the classes of a data set.

    Args:
        axes: to draw on.
        panel: percent of each class.
        pair: A, which goes upwards, and B, which goes to the right.
        styles: of both.
    """
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
    a, b = (shortened(method, 20) for method in pair)
    name_axes(axes, x=f"{b}: {panel.metric} (%)", y=f"{a} (%)")


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
            margin = _MARGIN * (high - low)
            right = x - width < low if sign > 0 else x + width <= high + margin
            level = y + height > high if sign > 0 else y - height < low
            left = x if right else x - width
            bottom = y - height / 2 if level else y if sign > 0 else y - height
            box = (left, bottom, left + width, bottom + height)
            if gaps[name] <= 0 or any(_overlap(box, other) for other in taken):
                continue
            taken.append(box)
            axes.annotate(
                text,
                (x, y),
                (5 if right else -5, 0 if level else 4 * sign),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center" if level else "bottom" if sign > 0 else "top",
                fontsize=SMALL - 1,
            )


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
