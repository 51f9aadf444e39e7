"""Errors of detectors on the images.

Legend: E errors, S side of a cut-out in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from instdisc.checks import checked_call

from ..analysis import Arrays, checkpoint_arrays, plain_text
from .tide import TIDE_TYPES

_COLOURS = dict(
    zip(TIDE_TYPES, ("#dd8452", "#4c9bff", "#c44e52", "#ffd92f", "#b07cff", "#00d0a0"), strict=True)
)
_SIDE = 1.35  # inches


@checked_call()
def error_pictures(arrays: Mapping[str, Arrays]) -> Figure:
    """The most confident errors of each type, a row for each, the detectors side by side.

    The detection in the colour of its type; dashed and white the object that it hit, took or, as
    a missed one, lacks.

    Args:
        arrays: of `diagnose`, by checkpoint; see `error_tiles`.

    Raises:
        ValueError: if there are none, or one lacks an array.

    Example:
        >>> arrays = {"error_types": np.array([1]), "error_texts": np.array(["cat 0.90"]),
        ...     "error_boxes": np.array([[0.2, 0.2, 0.6, 0.8]]),
        ...     "error_objects": np.array([[0.3, 0.2, 0.8, 0.8]]),
        ...     "error_tiles": np.zeros((1, 16, 16, 3), dtype=np.uint8)}
        >>> len(error_pictures({"random": arrays}).axes[0].patches)
        2
    """
    columns = ["error_types", "error_texts", "error_boxes", "error_objects", "error_tiles"]
    checkpoint_arrays("arrays", arrays, columns)
    kinds = sorted({int(kind) for content in arrays.values() for kind in content["error_types"]})
    widths = [
        max([1, *np.bincount(content["error_types"]).tolist()]) for content in arrays.values()
    ]
    rows = max(1, len(kinds))
    size = (0.5 + _SIDE * sum(widths) + 0.3 * len(widths), (_SIDE + 0.22) * rows + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    parts = figure.subfigures(1, len(widths), width_ratios=widths, squeeze=False)[0]
    for part, width, (name, content) in zip(parts, widths, arrays.items(), strict=True):
        part.suptitle(plain_text(name), fontsize=10)
        grid = part.subplots(rows, width, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for line, kind in zip(grid, kinds, strict=False):
            line[0].text(
                -0.06, 0.5, TIDE_TYPES[kind], transform=line[0].transAxes, rotation=90, ha="right",
                va="center", color="black", fontsize=10, fontweight="bold",
            )  # fmt: skip
            for axes, row in zip(
                line, np.flatnonzero(content["error_types"] == kind), strict=False
            ):
                _draw(axes, content, int(row), _COLOURS[TIDE_TYPES[kind]])
    return figure


def _draw(axes: Axes, content: Arrays, row: int, colour: str) -> None:
    tile = content["error_tiles"][row]
    if tile.size:
        axes.imshow(tile, extent=(0, 1, 1, 0), interpolation="nearest")
    else:
        axes.add_patch(Rectangle((0, 0), 1, 1, facecolor="#303030"))
    for box, style in (
        (content["error_objects"][row], {"edgecolor": "white", "linestyle": (0, (3, 2))}),
        (content["error_boxes"][row], {"edgecolor": colour, "linestyle": "-"}),
    ):
        if not np.isnan(box).any():
            left, top, right, bottom = box.tolist()
            axes.add_patch(
                Rectangle(
                    (left, top), right - left, bottom - top, fill=False, linewidth=1.6, **style
                )
            )
    axes.set_xlim(0, 1)
    axes.set_ylim(1, 0)
    axes.set_title(plain_text(str(content["error_texts"][row])), fontsize=6.5, pad=2)
