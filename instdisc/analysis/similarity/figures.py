"""How alike layers are, drawn from the arrays of `compare_layers`.

Legend: C checkpoints, L layers of all checkpoints together.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from instdisc import checks
from instdisc.analysis.analysis import NothingToDraw, plain_text
from instdisc.checks import checked_call

_WRITTEN = 8  # layers up to which each cell shows its number
_TICKS = 20  # layers up to which each is named
_LINES = ("cka", "mutual_knn", "procrustes")


@checked_call()
def cka_figure(arrays: Mapping[str, np.ndarray]) -> Figure:
    """Heat maps of CKA: every layer of every checkpoint beside every other.

    On the diagonal a checkpoint with itself, below it each pair. All maps share one scale, from 0
    to 1; what is below 0 by chance is shown as 0.

    Args:
        arrays: of `compare_layers`.

    Raises:
        ValueError: if an array is missing; names it.

    Example:
        >>> arrays = {"checkpoint": np.array(["net"]), "layer": np.array(["layer1", "layer2"]),
        ...     "layer_ends": np.array([2]), "cka": np.array([[1, 0.4], [0.4, 1]])}
        >>> cka_figure(arrays).axes[0].get_title()
        'net'
    """
    names, parts = _parts(arrays, ("cka",))
    count = len(names)
    widths = [part.stop - part.start for part in parts]
    figure = Figure(figsize=(1.8 + 2.5 * count, 1.2 + 2.3 * count), layout="constrained")
    grid = figure.subplots(
        count,
        count,
        squeeze=False,
        gridspec_kw={"width_ratios": widths, "height_ratios": widths},
    )
    shown: Any = None
    for row, column in itertools.product(range(count), repeat=2):
        axes = grid[row, column]
        if column > row:
            axes.set_axis_off()
            continue
        block = arrays["cka"][parts[row], parts[column]]
        # Shallow to deep runs up and to the right, as in the literature.
        shown = axes.imshow(block, cmap="magma", vmin=0, vmax=1, origin="lower", aspect="auto")
        _write(axes, block)
        for axis, part, whose, edge in (
            (axes.xaxis, parts[column], names[column], row == count - 1),
            (axes.yaxis, parts[row], names[row], column == 0),
        ):
            shows = edge and part.stop - part.start <= _TICKS
            labels: list[str] = arrays["layer"][part].tolist() if shows else []
            axis.set_ticks(range(len(labels)), labels, fontsize=7)
            if edge:
                axis.set_label_text(plain_text(whose))
        axes.tick_params(axis="x", rotation=90)
        if row == column:
            axes.set_title(plain_text(names[row]), fontsize=9)
    figure.colorbar(shown, ax=grid[:, -1].tolist(), label="CKA", shrink=0.6)
    return figure


@checked_call()
def similarity_figure(arrays: Mapping[str, np.ndarray]) -> Figure:
    """CKA, mutual k-NN and Procrustes distance of matching layers, a line for each pair.

    Three opinions on one question. Pairs of checkpoints with different numbers of layers are not
    drawn.

    Args:
        arrays: of `compare_layers`.

    Raises:
        ValueError: if an array is missing.
        NothingToDraw: if no two checkpoints have as many layers.
    """
    names, parts = _parts(arrays, (*_LINES, "cka_low", "procrustes_low", "k"))
    pairs = [
        (a, b)
        for a, b in itertools.combinations(range(len(names)), 2)
        if parts[a].stop - parts[a].start == parts[b].stop - parts[b].start
    ]
    if not pairs:
        checks.refuse("arrays", "of two checkpoints with as many layers", names, kind=NothingToDraw)
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    titles = ("CKA", f"mutual {int(arrays['k'])}-NN", "Procrustes distance")
    for axes, column, title in zip(figure.subplots(1, 3), _LINES, titles, strict=True):
        for a, b in pairs:
            rows, columns = np.arange(len(arrays["cka"]))[parts[a]], parts[b].start - parts[a].start
            places = (rows, rows + columns)
            steps, values = np.arange(len(rows)), arrays[column][places]
            (line,) = axes.plot(
                steps,
                values,
                marker="o",
                markersize=3,
                label=plain_text(f"{names[a]} and {names[b]}"),
            )
            if f"{column}_low" in arrays:
                ends = (arrays[f"{column}_{end}"][places] for end in ("low", "high"))
                axes.fill_between(steps, *ends, color=line.get_color(), alpha=0.15, linewidth=0)
        labels = arrays["layer"][parts[pairs[0][0]]]
        axes.set_xticks(range(len(labels)), labels, rotation=90 if len(labels) > 5 else 0)
        axes.set_title(title)
        axes.spines[["top", "right"]].set_visible(False)
        if column == "procrustes":
            axes.set_ylim(bottom=0)
        else:
            axes.set_ylim(min(0, float(axes.get_ylim()[0])), 1.02)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False
    )
    figure.supxlabel("Bands: normal over images, 95 %", fontsize=7)
    return figure


def _parts(
    arrays: Mapping[str, np.ndarray], columns: tuple[str, ...]
) -> tuple[list[str], list[slice]]:
    """Names of the checkpoints, and where the layers of each stand."""
    for column in ("checkpoint", "layer", "layer_ends", *columns):
        if column not in arrays:
            checks.refuse("arrays", f"with {column!r}, as compare_layers writes it", list(arrays))
    ends = [0, *arrays["layer_ends"].tolist()]
    return arrays["checkpoint"].tolist(), [slice(*pair) for pair in itertools.pairwise(ends)]


def _write(axes: Any, block: np.ndarray) -> None:
    if max(block.shape) > _WRITTEN:
        return
    for (row, column), value in np.ndenumerate(block):
        colour = "black" if value > 0.6 else "white"
        text = f"{value:.2f}".replace("0.", ".", 1)
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)
