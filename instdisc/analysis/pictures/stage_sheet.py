"""The layout that pictures of stages share: a column for each image, a block for each stage.

Legend: K checkpoints, M images, T stages, S side of a thumbnail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .sheet import WIDEST, Sheet, need_arrays

_MARGIN, _GAP, _LABEL, _SIDE = 0.12, 0.05, 1.35, 1.0  # inches
_HEAD, _HEADING, _NAME = 0.62, 0.28, 0.18
_NARROWEST = 5.6

# Draws the cell of a checkpoint (its place), a stage (its number) and an image on the sheet, at x
# and y with some side, in inches.
DrawCell = Callable[[Sheet, int, int, int, float, float, float], None]


def stage_sheet(
    arrays: Mapping[str, np.ndarray],
    draw: DrawCell,
    *,
    title: str,
    note: str,
    headings: Sequence[str],
    beside: Sequence[Sequence[str]] | None = None,
) -> Figure:
    """Pictures of every image at every stage of every checkpoint.

    Args:
        arrays: with ``checkpoint (K,)``, ``image (M,)``, ``class (M,)``, ``stage (T,)`` and
            ``thumbnail (M, S, S, 3)``.
        draw: draws a cell.
        title: of the figure.
        note: a line below it.
        headings: T texts above the blocks.
        beside: K x T texts under the names of the checkpoints; ``None`` for none.

    Raises:
        ValueError: if an array is lacking.
    """
    need_arrays(arrays, ("checkpoint", "image", "class", "stage", "thumbnail"))
    checkpoints = [str(name) for name in arrays["checkpoint"]]
    stages = arrays["stage"].tolist()
    count = len(arrays["image"])
    left = _MARGIN + _LABEL
    side = min(_SIDE, (WIDEST - left - _MARGIN) / count - _GAP)
    row = side + _GAP
    pictures = arrays["thumbnail"]
    first = _HEAD + _NAME + (row if pictures.size else 0.0) + 0.06
    block = _HEADING + len(checkpoints) * row
    width = max(left + count * row + _MARGIN, _NARROWEST)
    sheet = Sheet(width, first + len(stages) * block + _MARGIN)
    room = width - 2 * _MARGIN
    sheet.words(_MARGIN, 0.1, title, size=11, bold=True, width=room)
    sheet.words(_MARGIN, 0.34, note, color="#444444", width=room)
    for column in range(count):
        x = left + column * row
        called = str(arrays["class"][column]) or str(arrays["image"][column])
        sheet.words(x + side / 2, _HEAD, called, width=side, align="center")
        if pictures.size:
            sheet.picture(x, _HEAD + _NAME, side, pictures[column])
    for place, stage in enumerate(stages):
        y = first + place * block
        sheet.words(_MARGIN, y + 0.07, headings[place], size=9, bold=True, width=room)
        for order, name in enumerate(checkpoints):
            at = y + _HEADING + order * row
            middle = at + side / 2 - (0.07 if beside is None else 0.15)
            sheet.words(_MARGIN, middle, name, width=_LABEL - 0.1, size=9)
            if beside is not None:
                sheet.words(_MARGIN, middle + 0.17, beside[order][place], color="#444444")
            for column in range(count):
                draw(sheet, order, stage, column, left + column * row, at, side)
    return sheet.figure
