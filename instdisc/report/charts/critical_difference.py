"""Mean ranks on a line; methods that do not differ are joined (Demsar, 2006)."""

from __future__ import annotations

import math

from ..comparison import Comparison
from ..material import Material
from .chart import Chart
from .measured import slug
from .methods import arrange
from .style import DARK, NARROW, SMALL, name_axes, new_figure, plain, shortened

_LINE = 0.2  # inches between lines of names, and between bars


def draw_critical_difference(material: Material, comparison: Comparison) -> list[Chart]:
    """The critical-difference diagram; none below five data sets and three methods.

    Args:
        material: records.
        comparison: of the same records.
    """
    critical = comparison.critical_difference
    if critical is None:
        return []
    styles = arrange(material, comparison).styles
    count = len(critical.methods)
    groups = [group for group in critical.groups if len(group) > 1]
    half = math.ceil(count / 2)
    bars = 0.3 + 0.5 * len(groups)
    figure, (axes,) = new_figure(NARROW, 1.0 + _LINE * (bars + 1.6 * half))
    ranks = dict(zip(critical.methods, critical.ranks, strict=True))
    width = count - 1
    left, right = 1 - 0.42 * width, count + 0.42 * width
    for place, method in enumerate(critical.methods):
        # The better half is named on the left, from the top; the rest on the right, likewise.
        on_left = place < half
        row = place if on_left else count - 1 - place
        y = -bars - 1.6 * row - 0.8
        edge = 1 - 0.04 * width if on_left else count + 0.04 * width
        style = styles[method]
        axes.plot([ranks[method]] * 2 + [edge], [0, y, y], color=style.colour, linewidth=1)
        axes.plot(ranks[method], 0, marker=style.marker, color=style.colour, markersize=6)
        axes.annotate(
            f"{plain(shortened(method, 22))} ({ranks[method]:.2f})",
            (edge, y),
            (-3 if on_left else 3, 0),
            textcoords="offset points",
            ha="right" if on_left else "left",
            va="center",
            fontsize=SMALL,
        )
    for level, group in enumerate(groups):
        ends = [ranks[method] for method in group]
        y = -0.5 - 0.5 * level
        axes.plot(
            [min(ends) - 0.03, max(ends) + 0.03], [y, y], color=DARK, linewidth=3.5,
            solid_capstyle="butt",
        )  # fmt: skip
    axes.plot([1, 1 + critical.difference], [1.1, 1.1], color=DARK, linewidth=1.5, marker="|")
    axes.annotate(
        f"critical difference {critical.difference:.2f}",
        (1 + critical.difference / 2, 1.1),
        (0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=SMALL,
    )
    axes.set_xlim(left, right)
    axes.set_ylim(-bars - 1.6 * half, 2.2)
    axes.axhline(0, (1 - left) / (right - left), (count - left) / (right - left), color=DARK, lw=1)
    axes.set_xticks(range(1, count + 1, math.ceil(count / 12)))
    axes.spines[:].set_visible(False)
    axes.set_yticks([])
    name_axes(axes, x=f"mean rank over {critical.num_datasets} data sets (1 is best)")
    joined = "; ".join(", ".join(group) for group in groups)
    return [
        Chart(
            name=slug("critical-difference"),
            title="Critical-difference diagram",
            caption=f"Mean ranks over {critical.num_datasets} data sets; methods joined by a bar "
            f"do not differ at 5 % (Nemenyi's test; two ranks must lie "
            f"{critical.difference:.2f} apart). Friedman's test of all: p = {critical.p:.2g}.",
            alternative=f"Mean ranks: {', '.join(f'{m} {rank:.2f}' for m, rank in ranks.items())}. "
            + (f"Not told apart: {joined}." if joined else "All differ."),
            figure=figure,
        )
    ]
