"""The look of all figures of a report: a method has one colour, marker and line everywhere.

The colours are those of Okabe and Ito, which colour-blind readers tell apart. Their yellow is left
out: on white it has too little contrast.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..kinds import is_called_random

NARROW, WIDE = 6.4, 9.0  # inches; a page scales wider ones down
TEXT, SMALL = 10, 9  # points
GREY, DARK = "#767676", "#1a1a1a"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "h")
_GREYS = (GREY, "#3d3d3d", "#949494")  # of random weights of several architectures
_GREY_LINES: tuple[Any, ...] = ((0, (1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (6, 2)))
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
_PER_INCH = 12  # characters of SMALL
_LEGEND_LINE = 0.19  # inches


class Style(NamedTuple):
    """How a method is drawn.

    Attributes:
        colour: hexadecimal.
        marker: of matplotlib.
        line: of matplotlib: a name or dashes.
    """

    colour: str
    marker: str
    line: Any


def make_styles(methods: Iterable[str]) -> dict[str, Style]:
    """A style for each method, by its place among all of the report.

    Random weights are grey and dotted: they are what others are compared with. Those of another
    architecture are of another grey, with another marker and line.

    Args:
        methods: labels of all methods.

    Example:
        >>> styles = make_styles(["MoCo", "random", "Exemplar"])
        >>> styles["MoCo"].colour, styles["random"].colour, styles["Exemplar"].marker
        ('#0072B2', '#767676', 's')
    """
    styles: dict[str, Style] = {}
    numbers, greys = itertools.count(), itertools.count()
    for method in dict.fromkeys(methods):
        if is_called_random(method):
            number = next(greys)
            styles[method] = Style(
                _GREYS[number % len(_GREYS)],
                MARKERS[(6 + number) % len(MARKERS)],
                _GREY_LINES[number % len(_GREY_LINES)],
            )
        else:
            number = next(numbers)
            line = _LINES[(number + 2 * (number // len(COLOURS))) % len(_LINES)]
            styles[method] = Style(
                COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)], line
            )
    return styles


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A white figure and its panels, row by row.

    Args:
        width: in inches.
        height: in inches.
        rows: of panels.
        columns: of panels.
        options: of ``Figure.subplots``.
    """
    # Figure without pyplot: no global state, no window system.
    figure = Figure(figsize=(width, height), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    grid = np.asarray(figure.subplots(rows, columns, squeeze=False, **options))
    panels: list[Axes] = list(grid.flat)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=SMALL)
        axes.set_axisbelow(True)
    return figure, panels


def new_panels(
    count: int, *, height: float, columns: int = 2, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, at most `columns` side by side; a single one is narrower.

    Args:
        count: of panels.
        height: of each, in inches.
        columns: at most.
        options: of ``Figure.subplots``.
    """
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    width = NARROW if columns > 1 else 4.8
    figure, panels = new_figure(width, rows * height, rows, columns, **options)
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels[:count]


def add_legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend below the panels, for which the figure grows.

    Args:
        figure: with its panels.
        handles: what stands for each label.
        labels: wrapped here; they stand in as many columns as there is room for.
    """
    texts = [wrapped(label, 28) for label in labels]
    longest = max((len(line) for text in texts for line in text.split("\n")), default=1)
    width, height = figure.get_size_inches()
    columns = max(1, min(len(texts), int(width * _PER_INCH / (longest + 7))))
    # A legend fills its columns one after the other.
    rows = math.ceil(len(texts) / columns)
    parts = [texts[start : start + rows] for start in range(0, len(texts), rows)]
    lines = max((sum(text.count("\n") + 1 for text in part) for part in parts), default=0)
    figure.set_size_inches(width, height + 0.15 + _LEGEND_LINE * lines)
    figure.legend(
        handles,
        texts,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        handlelength=2.6,
    )


def name_panel(axes: Axes, text: str, width: int = 34) -> None:
    """Says what a panel of several is of."""
    axes.set_title(wrapped(text, width), fontsize=TEXT, loc="left")


def name_axes(axes: Axes, x: str = "", y: str = "") -> None:
    """Labels with their unit."""
    axes.set_xlabel(plain(x), fontsize=TEXT)
    axes.set_ylabel(plain(y), fontsize=TEXT)


def wrapped(text: str, width: int) -> str:
    r"""Text in at most three lines, shown as it is; a long one is cut in the middle.

    Args:
        text: e.g. a name.
        width: characters of a line.

    Example:
        >>> wrapped("a very long name of a data set", 12)
        'a very long\nname of a\ndata set'
    """
    text = shortened(text, 3 * width - 4)  # lines are rarely full
    lines = textwrap.wrap(text, width, max_lines=3, placeholder="…") or [""]
    return plain("\n".join(lines))


def shortened(text: str, room: int) -> str:
    """Text of at most `room` characters; its end is kept, by which names of a family differ.

    Example:
        >>> shortened("MoCo, 200 epochs on ImageNet, seed 3", 20)
        'MoCo, 200 ep… seed 3'
    """
    if len(text) <= room:
        return text
    head = math.ceil(0.6 * (room - 1))
    return text[:head] + "…" + text[len(text) - (room - 1 - head) :]


def plain(text: str) -> str:
    """Text that matplotlib shows as it is: it sets what stands between dollars as mathematics."""
    return text.replace("$", r"\$")
