"""The layout that pictures of mistakes share: rows of images with what was predicted of each.

Legend: S side of a thumbnail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from .sheet import WIDEST, WRONG, Sheet

_MARGIN, _GAP, _SIDE = 0.12, 0.1, 1.1  # inches
_HEAD, _HEADING, _WORDS, _BETWEEN = 0.66, 0.24, 0.36, 0.1
_NARROWEST = 6.0


class Tile(NamedTuple):
    """An image that was classified wrongly.

    Attributes:
        picture: ``(S, S, 3)`` uint8; empty for none.
        true: name of its class.
        predicted: name of the class that it was taken for.
        confidence: of this, in [0, 1]; NaN where unknown.
        name: what the image is called; shown where there is no picture.
    """

    picture: np.ndarray
    true: str
    predicted: str
    confidence: float
    name: str


class TileRow(NamedTuple):
    """Images under a heading."""

    heading: str
    tiles: Sequence[Tile]


def tile_sheet(rows: Sequence[TileRow], *, num_columns: int, title: str, note: str) -> Figure:
    """Rows of tiles; a row without any says so.

    Args:
        rows: from top to bottom.
        num_columns: most tiles of a row.
        title: of the figure.
        note: a line below it.
    """
    side = min(_SIDE, (WIDEST - 2 * _MARGIN) / num_columns - _GAP)
    column = side + _GAP
    width = max(2 * _MARGIN + num_columns * column, _NARROWEST)
    room = width - 2 * _MARGIN
    heights = [_HEADING + (side + _WORDS if row.tiles else 0.22) + _BETWEEN for row in rows]
    sheet = Sheet(width, _HEAD + sum(heights))
    sheet.words(_MARGIN, 0.1, title, size=11, bold=True, width=room)
    sheet.words(_MARGIN, 0.34, note, color="#444444", width=room)
    y = _HEAD
    for row, height in zip(rows, heights, strict=True):
        sheet.words(_MARGIN, y, row.heading, size=9, bold=True, width=room)
        if not row.tiles:
            sheet.words(_MARGIN, y + _HEADING, "none", color="#444444")
        for place, tile in enumerate(row.tiles):
            x, top = _MARGIN + place * column, y + _HEADING
            sheet.picture(x, top, side, tile.picture)
            if not tile.picture.size:
                sheet.words(x + 0.04, top + 0.05, tile.name, size=7, width=side - 0.08)
            sheet.words(x, top + side + 0.03, tile.true, width=side)
            # The share of the line that the number takes is kept free.
            sure = "" if math.isnan(tile.confidence) else f" {100 * tile.confidence:.0f} %"
            under = top + side + 0.18
            sheet.words(x, under, tile.predicted, width=side - 0.09 * len(sure), color=WRONG)
            sheet.words(x + side, under, sure.strip(), color=WRONG, align="right")
        y += height
    return sheet.figure
