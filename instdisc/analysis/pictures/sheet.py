"""A sheet of small pictures with words, drawn in inches.

One pair of axes covers the whole sheet; x runs to the right and y down, both in inches, so that
the layout is arithmetic and nothing can overlap by chance.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from instdisc import checks
from instdisc.analysis.analysis import plain_text

DPI = 100
WIDEST = 12.0  # inches: 1,200 px
# Okabe and Ito's palette, which colour-blind readers can tell apart.
RIGHT, WRONG, NEUTRAL = "#009E73", "#D55E00", "#999999"
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#B8A800")
_POINTS = 72  # per inch
_LARGE = 100.0  # points; at small sizes letters are rounded to pixels


class Sheet:
    """A figure of fixed size to put pictures and words on.

    Args:
        width: in inches.
        height: in inches.

    Attributes:
        figure: what is drawn on.

    Example:
        >>> sheet = Sheet(2, 1)
        >>> sheet.picture(0.1, 0.1, 0.5, np.zeros((8, 8, 3), np.uint8))
        >>> sheet.words(0.7, 0.2, "black")
        >>> sheet.figure.get_size_inches().tolist()
        [2.0, 1.0]
    """

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height), dpi=DPI)
        axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_axis_off()
        self._axes = axes

    def picture(
        self,
        x: float,
        y: float,
        side: float,
        pixels: np.ndarray,
        *,
        smooth: bool = True,
        opacity: float = 1.0,
    ) -> None:
        """A square picture with its left upper corner at (x, y); a plain cell if it has no pixels.

        Args:
            x: in inches from the left.
            y: in inches from the top.
            side: in inches.
            pixels: ``(S, S, 3)`` uint8, or float in [0, 1].
            smooth: whether pixels are blended when enlarged; cells of a map are not.
            opacity: from 0 to 1.
        """
        if not pixels.size:
            self.cell(x, y, side, side, "#F0F0F0")
            return
        self._axes.imshow(
            pixels,
            extent=(x, x + side, y + side, y),
            interpolation="bilinear" if smooth else "nearest",
            alpha=opacity,
            aspect="auto",
            zorder=2,
        )

    def cell(self, x: float, y: float, width: float, height: float, color: Any) -> None:
        """A plain coloured rectangle."""
        self._axes.add_patch(Rectangle((x, y), width, height, facecolor=color, zorder=2))

    def frame(self, x: float, y: float, side: float, color: str, *, dashed: bool = False) -> None:
        """A square frame around what has its corner at (x, y)."""
        style = (0, (2.5, 1.2)) if dashed else "solid"
        patch = Rectangle(
            (x, y),
            side,
            side,
            fill=False,
            edgecolor=color,
            linewidth=2.5,
            linestyle=style,
            zorder=3,
        )
        self._axes.add_patch(patch)

    def marker(self, x: float, y: float, size: float = 9.0) -> None:
        """A cross with a light edge, visible on any colour."""
        self._axes.plot([x], [y], "P", color="black", mec="white", mew=1.2, ms=size, zorder=4)

    def words(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 8.0,
        width: float | None = None,
        align: str = "left",
        bold: bool = False,
        color: str = "black",
    ) -> None:
        """A line of text whose top is at y.

        Args:
            x: of its end on the side of `align`, or of its middle, in inches.
            y: of its top.
            text: what it says.
            size: in points.
            width: where it is cut off, in inches; ``None``: nowhere.
            align: ``"left"``, ``"center"`` or ``"right"``.
            bold: whether it is.
            color: of the letters.
        """
        shown = text if width is None else shorten(text, width, size, bold=bold)
        self._axes.text(
            x,
            y,
            plain_text(shown),
            fontsize=size,
            color=color,
            weight="bold" if bold else "normal",
            ha=align,
            va="top",
            zorder=5,
        )


def shorten(text: str, width: float, size: float = 8.0, *, bold: bool = False) -> str:
    """A text, cut off where it would be wider than so many inches.

    Args:
        text: one line.
        width: in inches.
        size: of the letters in points.
        bold: whether they are.

    Example:
        >>> shorten("tabby cat", 2.0), shorten("a very long class name", 0.6)
        ('tabby cat', 'a very lo…')
    """
    text = " ".join(text.split())
    if _width(text, size, bold) <= width:
        return text
    while text and _width(f"{text}…", size, bold) > width:
        text = text[:-1].rstrip()
    return f"{text}…"


def need_arrays(arrays: Mapping[str, np.ndarray], columns: Sequence[str]) -> None:
    """Refuses arrays of which one is lacking.

    Raises:
        ValueError: names it.
    """
    for column in columns:
        if column not in arrays:
            checks.refuse("arrays", f"with {column!r}", sorted(arrays))


def _width(text: str, size: float, bold: bool) -> float:
    """In inches, without kerning."""
    return sum(_advance(letter, bold) for letter in text) * size / _POINTS


@functools.cache
def _advance(letter: str, bold: bool) -> float:
    """How far a letter moves the next one, in sizes of the type: laying out text is slow."""
    weight = {"weight": "bold"} if bold else {}
    widths = [
        TextPath((0, 0), plain_text(text), size=_LARGE, prop=weight or None).get_extents().width  # type: ignore[arg-type]
        for text in (f"x{letter}x", "xx")
    ]
    return float(widths[0] - widths[1]) / _LARGE
