"""Reliability diagrams: how often a classifier is right when it is so sure.

Legend: N images, B bins.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ..comparison import Comparison
from ..material import Material
from .chart import Chart
from .curves import line_handle
from .measured import Measured, group_by, measure, ranking, set_names, slug
from .methods import Methods, arrange
from .style import GREY, Style, add_legend, name_axes, name_panel, new_panels

NUM_BINS = 10
_FEWEST = 10  # images of a bin that is drawn
_MOST_PANELS = 6


def draw_reliability(material: Material, comparison: Comparison) -> list[Chart]:
    """Accuracy over confidence in ten bins of equal width, a panel for each data set.

    Args:
        material: records with predictions; tasks that measure ECE are drawn.
        comparison: of the same records: it orders the methods.

    Returns:
        A chart for each task, or several of at most six data sets each.
    """
    methods = arrange(material, comparison)
    values = measure(material, lambda record: record.metric == "ECE")
    charts = []
    for task, group in group_by(values, lambda v: v.result.task).items():
        panels = list(group_by(group, lambda v: (v.result.dataset, v.result.variant)).values())
        drawn = [panel for panel in (_with_lines(material, p) for p in panels) if panel]
        parts = [drawn[k : k + _MOST_PANELS] for k in range(0, len(drawn), _MOST_PANELS)]
        names = set_names(group)
        charts += [_draw(task, part, methods, names, k) for k, part in enumerate(parts)]
    return charts


def bin_by_confidence(
    confidence: np.ndarray, hits: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, accuracy and number of images of each bin that has images.

    Args:
        confidence: ``(N,)`` in [0, 1].
        hits: ``(N,)`` bool.

    Example:
        >>> means, shares, counts = bin_by_confidence(
        ...     np.array([0.21, 0.29, 0.95]), np.array([False, True, True]))
        >>> means.round(2).tolist(), shares.tolist(), counts.tolist()
        ([0.25, 0.95], [0.5, 1.0], [2, 1])
    """
    places = np.clip((confidence * NUM_BINS).astype(int), 0, NUM_BINS - 1)  # (N,)
    counts = np.bincount(places, minlength=NUM_BINS)  # (B,)
    kept = counts > 0
    means = np.bincount(places, confidence, NUM_BINS)[kept] / counts[kept]
    shares = np.bincount(places, hits, NUM_BINS)[kept] / counts[kept]
    return means, shares, counts[kept]


_Line = tuple[Measured, np.ndarray, np.ndarray]


def _with_lines(material: Material, panel: list[Measured]) -> list[_Line]:
    """Each method's line in percent; those without predictions are left out."""
    lines = []
    for value in panel:
        arrays = material.arrays(value.record)
        if arrays is None or not {"confidence", "label", "prediction"} <= set(arrays):
            continue
        confidence = arrays["confidence"].astype(float)
        if not np.isfinite(confidence).all():
            continue
        means, shares, counts = bin_by_confidence(
            confidence, arrays["label"] == arrays["prediction"]
        )
        enough = counts >= _FEWEST
        if enough.any():
            lines.append((value, 100 * means[enough], 100 * shares[enough]))
    return lines


def _draw(
    task: str, panels: list[list[_Line]], methods: Methods, names: dict[str, str], part: int
) -> Chart:
    present = {value.method for lines in panels for value, _, _ in lines}
    chosen = methods.choose(present)
    figure, grid = new_panels(len(panels), height=2.7)
    gists = []
    for axes, lines in zip(grid, panels, strict=True):
        axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
        for value, means, shares in lines:
            if value.method in chosen:
                _draw_line(axes, means, shares, methods.styles[value.method])
        axes.set_xlim(-2, 102)
        axes.set_ylim(-2, 102)
        result = lines[0][0].result
        name = ", ".join(filter(None, (names[result.dataset], result.variant)))
        name_panel(axes, name)
        name_axes(axes, x="confidence (%)", y="accuracy (%)")
        gists.append(f"{name}: ECE {ranking([value for value, _, _ in lines])}")
    add_legend(figure, [line_handle(methods.styles[method]) for method in chosen], chosen)
    more = f", part {part + 1}" if part else ""
    return Chart(
        name=slug("reliability", task, f"{part + 1}" if part else ""),
        title=f"Reliability of {task}{more}",
        caption=f"Accuracy of {task} over its confidence, in {NUM_BINS} bins of equal width; bins "
        f"of fewer than {_FEWEST} images are not drawn. Below the diagonal a classifier is surer "
        "than it may be. Of several seeds the first." + methods.left_out(present),
        alternative="; ".join(gists) + ".",
        figure=figure,
    )


def _draw_line(axes: Axes, means: np.ndarray, shares: np.ndarray, style: Style) -> None:
    axes.plot(
        means,
        shares,
        color=style.colour,
        linestyle=style.line,
        marker=style.marker,
        markersize=4,
        linewidth=1.3,
    )
