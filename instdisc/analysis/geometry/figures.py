"""Geometry of several checkpoints by stage, and their spectra, as figures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from instdisc import checks
from instdisc.checks import checked_call

from ..analysis import Arrays, checkpoint_arrays, plain_text
from .measure import HIGHER_IS_BETTER, column_name

_COLUMNS = 4
# Of two kinds of the same, one is enough.
_NOT_DRAWN = ("alpha of ranks 11 to 100", "stable rank")
_LOG = ("variability collapse", "RankMe", "participation ratio")


@checked_call()
def geometry_figure(arrays: Mapping[str, Arrays]) -> Figure:
    """A panel for each number, a line over the stages for each checkpoint, with its interval.

    Args:
        arrays: by checkpoint, those that `evaluate_geometry` wrote.

    Raises:
        ValueError: if there is no checkpoint, or an array is missing.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from instdisc.analysis.geometry import evaluate_geometry
        >>> from instdisc.data import Scenes
        >>> from instdisc.models import Backbone
        >>> from instdisc.transfer import read_predictions
        >>> images = Scenes(8, image_size=32, num_categories=2)
        >>> with TemporaryDirectory() as folder:
        ...     file = f"{folder}/random.npz"
        ...     records = evaluate_geometry(Backbone("test_resnet"), images, image_size=32,
        ...         arrays=file)
        ...     figure = geometry_figure({"random": read_predictions(file)})
        >>> [axes.get_title() for axes in figure.axes][-3:]
        ['RankMe ↑', 'alpha ↓', 'participation ratio ↑']
    """
    metrics = [name for name in HIGHER_IS_BETTER if name not in _NOT_DRAWN]
    needed = [column_name(name) + end for name in metrics for end in ("", "_low", "_high")]
    checkpoint_arrays("arrays", arrays, ["stage", *needed])
    drawn = [
        name
        for name in metrics
        if any(np.isfinite(columns[column_name(name)]).any() for columns in arrays.values())
    ]
    num_rows = -(-len(drawn) // _COLUMNS)
    figure = Figure(figsize=(2.5 * _COLUMNS, 2.2 * num_rows + 0.6), layout="constrained")
    places = figure.subplots(num_rows, _COLUMNS, squeeze=False).flatten()
    for axes, name in zip(places, drawn, strict=False):
        _draw_number(axes, name, arrays)
    for axes in places[len(drawn) :]:
        figure.delaxes(axes)
    _legend(figure, places[0])
    figure.supxlabel(
        "Stage. Bars: 95 %, normal, influence of each image. Arrow: which way the papers call "
        "better for transfer.",
        fontsize=7,
    )
    return figure


@checked_call()
def spectrum_figure(arrays: Mapping[str, Arrays]) -> Figure:
    """Eigenvalues of the covariance over their rank, as shares of the first: a panel per stage.

    Args:
        arrays: by checkpoint, those that `evaluate_geometry` wrote.

    Raises:
        ValueError: if there is no checkpoint, an array is missing, or the checkpoints have no
            stage in common.

    Example:
        >>> values = {"stage": np.array([4]), "stage4_eigenvalues": np.array([1.0, 0.5, 0.2])}
        >>> [axes.get_title() for axes in spectrum_figure({"random": values}).axes]
        ['stage 4']
    """
    checkpoint_arrays("arrays", arrays, ["stage"])
    common = set.intersection(*(set(columns["stage"].tolist()) for columns in arrays.values()))
    stages = sorted(common)
    if not stages:
        checks.refuse("arrays", "of checkpoints with a common stage", list(arrays))
    checkpoint_arrays("arrays", arrays, [f"stage{stage}_eigenvalues" for stage in stages])
    figure = Figure(figsize=(2.7 * len(stages), 2.9), layout="constrained")
    panels = figure.subplots(1, len(stages), squeeze=False)[0]
    for axes, stage in zip(panels, stages, strict=True):
        for name, columns in arrays.items():
            eigenvalues = columns[f"stage{stage}_eigenvalues"]
            rounding = len(eigenvalues) * np.finfo(np.float64).eps * eigenvalues[0]
            kept = eigenvalues[eigenvalues > rounding]
            axes.plot(np.arange(1, len(kept) + 1), kept / kept[0], label=plain_text(name), lw=1.2)
        axes.set(xscale="log", yscale="log")
        axes.set_title(f"stage {stage}", fontsize=8)
        axes.set_xlabel("rank", fontsize=7)
        _plain_axes(axes)
    panels[0].set_ylabel("eigenvalue / first", fontsize=7)
    _legend(figure, panels[0])
    return figure


def _draw_number(axes: Axes, name: str, arrays: Mapping[str, Arrays]) -> None:
    column = column_name(name)
    # Side by side, so that intervals of different checkpoints do not cover each other.
    shift = 0.12 / max(1, len(arrays) - 1)
    stages: set[int] = set()
    for position, (checkpoint, columns) in enumerate(arrays.items()):
        values, low, high = (columns[column + end] for end in ("", "_low", "_high"))
        x = columns["stage"] + shift * position
        (line,) = axes.plot(x, values, "o-", ms=3, lw=1.2, label=plain_text(checkpoint))
        if np.isfinite(low).any():
            axes.errorbar(
                x,
                (low + high) / 2,
                (high - low) / 2,
                fmt="none",
                ecolor=line.get_color(),
                capsize=2,
                lw=1,
            )
        stages.update(columns["stage"].tolist())
    axes.set_xticks(sorted(stages))
    arrow = "\N{UPWARDS ARROW}" if HIGHER_IS_BETTER[name] else "\N{DOWNWARDS ARROW}"
    axes.set_title(f"{name} {arrow}", fontsize=8)
    drawn = np.concatenate([columns[column] for columns in arrays.values()])
    if name in _LOG and bool((drawn[np.isfinite(drawn)] > 0).all()):
        axes.set_yscale("log")
        # Plain numbers instead of powers of ten.
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.5)))
    _plain_axes(axes)


def _plain_axes(axes: Axes) -> None:
    axes.tick_params(labelsize=6, which="both")
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    columns = min(6, len(labels))
    figure.legend(
        handles, labels, frameon=False, fontsize=7, loc="outside upper center", ncols=columns
    )
