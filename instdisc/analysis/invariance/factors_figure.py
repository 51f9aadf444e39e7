"""The table of factors and stages as a picture.

Legend: F factors, S stages.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from instdisc.checks import checked_call

from ..analysis import Arrays, checkpoint_arrays, plain_text

_COLUMNS = ("factors", "metrics", "scores", "chance", "stages")
_DARK = 0.55  # above it numbers are white


@checked_call()
def factors_figure(arrays: Mapping[str, Arrays]) -> Figure:
    """What each stage of each checkpoint knows: a table of factors and stages with its numbers.

    The shade is R2, or for a class the accuracy above chance, (accuracy - chance) / (1 - chance);
    the number is R2 or the accuracy itself. Factors stand from low to high level, as the set gives
    them.

    Args:
        arrays: of each checkpoint, what `evaluate_factors` writes.

    Raises:
        ValueError: if there is no checkpoint, or one lacks an array.

    Example:
        >>> table = {"factors": np.array(["size"]), "metrics": np.array(["R2"]),
        ...     "scores": np.array([[0.2, 0.7]]), "chance": np.zeros(1),
        ...     "stages": np.array(["layer1", "layer2"])}
        >>> len(factors_figure({"MoCo": table, "random": table}).axes)
        3
    """
    checkpoint_arrays("arrays", arrays, _COLUMNS)
    rows = _rows(arrays)
    widths = [len(table["stages"]) for table in arrays.values()]
    # Figure without pyplot: no global state, no window system.
    figure = Figure(
        figsize=(2.6 + 0.5 * sum(widths) + 0.2 * len(widths), 1.3 + 0.27 * len(rows)),
        layout="constrained",
    )
    grid = figure.subplots(1, len(arrays), squeeze=False, sharey=True, width_ratios=widths)
    for number, (axes, (name, table)) in enumerate(zip(grid.flat, arrays.items(), strict=True)):
        shown = axes.imshow(_shades(table, rows), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        _write(axes, table, rows)
        axes.set_title(plain_text(name), fontsize=9)
        axes.set_xticks(range(len(table["stages"])), range(1, len(table["stages"]) + 1), fontsize=8)
        axes.set_xlabel("stage", fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if not number:
            axes.set_yticks(range(len(rows)), [_label(row) for row in rows], fontsize=8)
    bar = figure.colorbar(shown, ax=grid.ravel().tolist(), fraction=0.03, pad=0.02)
    bar.set_label("R2, or accuracy above chance", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _rows(arrays: Mapping[str, Arrays]) -> list[tuple[str, str]]:
    """Factors with their metrics, each once, in the order of the first checkpoint that has it."""
    pairs = (
        (str(factor), str(metric))
        for table in arrays.values()
        for factor, metric in zip(table["factors"], table["metrics"], strict=True)
    )
    return list(dict.fromkeys(pairs))


def _places(table: Arrays, rows: list[tuple[str, str]]) -> list[tuple[int, int]]:
    """(row of the picture, row of the table) for each factor of a checkpoint."""
    pairs = zip(map(str, table["factors"]), map(str, table["metrics"]), strict=True)
    return [(rows.index(pair), place) for place, pair in enumerate(pairs)]


def _shades(table: Arrays, rows: list[tuple[str, str]]) -> np.ndarray:
    shades = np.full((len(rows), len(table["stages"])), np.nan)
    for row, place in _places(table, rows):
        chance = table["chance"][place]
        shades[row] = (table["scores"][place] - chance) / max(1 - chance, 1e-9)
    return shades


def _write(axes: Axes, table: Arrays, rows: list[tuple[str, str]]) -> None:
    shades = _shades(table, rows)
    for row, place in _places(table, rows):
        for stage, score in enumerate(table["scores"][place]):
            axes.text(
                stage,
                row,
                _number(score),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if shades[row, stage] > _DARK else "black",
            )


def _number(score: float) -> str:
    """Two digits without the zero before them, and without minus where they are zero."""
    return f"{round(float(score), 2) + 0.0:.2f}".replace("0.", ".", 1)


def _label(row: tuple[str, str]) -> str:
    factor, metric = row
    return f"{factor} (accuracy)" if metric == "accuracy" else factor
