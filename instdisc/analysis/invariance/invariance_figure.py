"""Curves of invariance as a picture.

Legend: S stages, G strengths.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from instdisc import checks
from instdisc.checks import checked_call

from ..analysis import Arrays, checkpoint_arrays, plain_text

_CLASS = "pairs of one class"
_SHOWN = (-0.55, 1.08)


@checked_call()
def invariance_figure(arrays: Mapping[str, Arrays]) -> Figure:
    """Curves of each transform, a column, for each stage, a row; a line per checkpoint.

    1: the transform changes nothing; 0, the grey line: an image and its transform are no more
    alike than two images. What is far below 0 lies outside the picture. The last column, where
    classes are known, has a scale of its own: pairs of one class.

    Args:
        arrays: of each checkpoint, what `evaluate_invariance` writes.

    Raises:
        ValueError: if there is no checkpoint, one lacks an array, or they differ in transforms or
            in the number of stages.

    Example:
        >>> curves = {"transforms": np.array(["grey"]), "units": np.array(["share"]),
        ...     "stages": np.array(["layer1"]), "grey_strengths": np.array([0, 1.0]),
        ...     "grey": np.array([[1, 0.4]])}
        >>> len(invariance_figure({"MoCo": curves}).axes)
        1
    """
    checkpoint_arrays("arrays", arrays, ("transforms", "units", "stages"))
    first = next(iter(arrays.values()))
    transforms, num_stages = [str(name) for name in first["transforms"]], len(first["stages"])
    for name, table in arrays.items():
        shown = [str(transform) for transform in table["transforms"]], len(table["stages"])
        if shown != (transforms, num_stages):
            checks.refuse("arrays", f"of {transforms} and {num_stages} stages each", shown, name)
    has_classes = any("intra_category" in table for table in arrays.values())
    columns = len(transforms) + has_classes
    # Figure without pyplot: no global state, no window system.
    figure = Figure(figsize=(0.6 + 1.35 * columns, 0.9 + 1.15 * num_stages), layout="constrained")
    grid = figure.subplots(num_stages, columns, squeeze=False, sharex="col", sharey="col")
    for axes in grid[:, : len(transforms)].flat:
        axes.set_ylim(*_SHOWN)
    for row in range(num_stages):
        for column, transform in enumerate(transforms):
            axes = grid[row, column]
            _curves(axes, arrays, transform, row)
            axes.tick_params(labelleft=not column)
            if not row:
                axes.set_title(transform, fontsize=9)
            if row == num_stages - 1:
                axes.set_xlabel(str(first["units"][column]), fontsize=7)
        if has_classes:
            _bars(grid[row, -1], arrays, row)
            grid[row, -1].margins(y=0.2)
        grid[row, 0].set_ylabel(f"stage {row + 1}", fontsize=8)
    if has_classes:
        grid[0, -1].set_title(_CLASS, fontsize=9)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    return figure


def _curves(axes: Axes, arrays: Mapping[str, Arrays], transform: str, stage: int) -> None:
    axes.axhline(0, color="grey", linewidth=0.6)
    for name, table in arrays.items():
        strengths, curve = table[f"{transform}_strengths"], table[transform][stage]
        axes.plot(
            strengths, curve, marker="o", markersize=2.5, linewidth=1.1, label=plain_text(name)
        )
    _plain(axes)


def _bars(axes: Axes, arrays: Mapping[str, Arrays], stage: int) -> None:
    axes.axhline(0, color="grey", linewidth=0.6)
    for place, (name, table) in enumerate(arrays.items()):
        value = float(table["intra_category"][stage]) if "intra_category" in table else np.nan
        axes.bar(
            place, value, 0.8, label=plain_text(name)
        )  # the colours of the lines, in the same order
        if np.isfinite(value):
            axes.annotate(
                f"{value:.2f}",
                (place, max(value, 0)),
                (0, 1),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    axes.set_xticks([])
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
