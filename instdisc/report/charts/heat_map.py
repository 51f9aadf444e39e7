"""A table of shades with numbers in it, in blocks side by side.

Legend: R rows, C columns of all blocks together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import SMALL, TEXT, plain

NUMBERS = SMALL - 1.5  # points, of the numbers in the cells


def draw_map(axes: Axes, values: np.ndarray, *, colours: str, lowest: float, highest: float) -> Any:
    """Shades of values, dark for the highest; NaN stays white.

    Args:
        axes: to draw on.
        values: ``(R, C)``.
        colours: name of a colour map of matplotlib.
        lowest: the value of its first colour.
        highest: of its last.

    Returns:
        What a colour bar is for.
    """
    # Pixels, not a path for each cell: a report holds many of them.
    shown = axes.imshow(
        values, cmap=colours, vmin=lowest, vmax=highest, aspect="auto", interpolation="nearest"
    )
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=SMALL)
    return shown


def write_numbers(axes: Axes, texts: Sequence[Sequence[str]], dark: np.ndarray) -> None:
    """A text in each cell.

    Args:
        axes: of a map.
        texts: R rows of C texts.
        dark: ``(R, C)`` bool, whether the cell is so dark that its text must be white.
    """
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            axes.text(
                column,
                row,
                plain(text),
                ha="center",
                va="center",
                fontsize=NUMBERS,
                color="white" if dark[row, column] else "black",
            )


def separate(axes: Axes, ends: Sequence[int], *, rows: bool = False) -> None:
    """White lines between blocks of columns, and of rows.

    Args:
        axes: of a map.
        ends: where each block ends.
        rows: whether the rows are in the same blocks.
    """
    for end in ends[:-1]:
        axes.axvline(end - 0.5, color="white", linewidth=3)
        if rows:
            axes.axhline(end - 0.5, color="white", linewidth=3)


def add_bar(figure: Figure, shown: Any, axes: Axes, label: str) -> None:
    """What the shades mean, below the map."""
    bar = figure.colorbar(
        shown, ax=axes, orientation="horizontal", fraction=0.05, aspect=40, pad=0.02
    )
    bar.set_label(plain(label), fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)  # type: ignore[operator]


def short_number(value: float) -> str:
    """Two digits without the zero before them.

    Example:
        >>> short_number(0.318), short_number(-0.001), short_number(1.0), short_number(float("nan"))
        ('.32', '.00', '1.0', '')
    """
    if not np.isfinite(value):
        return ""
    text = f"{round(value, 2) + 0.0:.2f}"
    return text[:-1] if abs(value) >= 0.995 else text.replace("0.", ".", 1)
