"""The quantities of all claims with their intervals and margins."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from instdisc.report.charts.style import (
    DARK,
    GREY,
    SMALL,
    WIDE,
    add_legend,
    name_axes,
    new_figure,
    wrapped,
)

from ..claims_text import effect, gist, margin
from ..material import Study
from ..values import Values
from ..verdicts import Claim, Part
from .drawing import Drawing

_ROW = 0.42  # inches
_COLOURS = {"supported": "#0072B2", "contradicted": "#D55E00", "undecided": GREY}
_MARKERS = {"supported": "o", "contradicted": "X", "undecided": "D"}
_SHADE = "#eef1f4"
_Row = tuple[Claim, Part]


def draw_forest(study: Study, claims: Sequence[Claim], values: Values) -> Drawing | None:
    """A row for each part of a claim; quantities of another scale stand in a panel of their own.

    Args:
        study: the same as for the other figures.
        claims: with their verdicts.
        values: likewise.
    """
    groups: dict[str, list[_Row]] = {}
    for claim in claims:
        for part in claim.parts:
            if part.value is not None:
                groups.setdefault(_scale(part), []).append((claim, part))
    if not groups:
        return None
    heights = [len(rows) * _ROW + 0.55 for rows in groups.values()]
    figure, panels = new_figure(
        WIDE, sum(heights) + 0.2, len(groups), 1, height_ratios=[len(r) for r in groups.values()]
    )
    for axes, (scale, rows) in zip(panels, groups.items(), strict=True):
        _draw_panel(axes, rows, scale)
    verdicts = [v for v in _COLOURS if any(p.verdict == v for r in groups.values() for _, p in r)]
    handles = [_handle(_MARKERS[v], _COLOURS[v]) for v in verdicts]
    handles.append(_handle("|", DARK))
    add_legend(figure, handles, [*verdicts, "margin, and where the claim expects it"])
    told = [
        f"{claim.number} {part.quantity}: {effect(part)}, margin {margin(part)}, {part.verdict}"
        for rows in groups.values()
        for claim, part in rows
    ]
    return Drawing(
        "The claims' quantities with their margins",
        "Each claim's quantities with 95 % intervals over seeds and test images. The shaded side "
        "of a margin is where the claim expects the quantity. The verdict of a claim also needs p "
        "after Holm's correction.",
        f"{gist(claims)} {'; '.join(told)}.",
        figure,
    )


def _scale(part: Part) -> str:
    """The label of the axis that a part shares."""
    if part.unit:
        return part.unit
    return "difference (no unit)" if part.decimals > 2 else "correlation, tau or share"


def _draw_panel(axes: Axes, rows: Sequence[_Row], scale: str) -> None:
    for y, (_, part) in enumerate(rows):
        assert part.value is not None  # others are not drawn
        colour = _COLOURS[part.verdict]
        if part.low is not None and part.high is not None:
            axes.plot([part.low, part.high], [y, y], color=colour, linewidth=1.6)
        axes.plot(
            part.value,
            y,
            marker=_MARKERS[part.verdict],
            color=colour,
            markersize=6.5,
            linestyle="",
        )
    axes.margins(x=0.06)
    left, right = axes.get_xlim()
    margins = [part.margin for _, part in rows]
    room = 0.04 * max(right - left, max(margins) - min(margins), 1e-9)
    left, right = min(left, min(margins) - room), max(right, max(margins) + room)
    for y, (_, part) in enumerate(rows):
        ends = (part.margin, right) if part.direction == "above" else (left, part.margin)
        axes.fill_betweenx([y - 0.36, y + 0.36], *ends, color=_SHADE, linewidth=0, zorder=0)
        axes.plot([part.margin] * 2, [y - 0.36, y + 0.36], color=DARK, linewidth=1.2, zorder=1)
    if left < 0 < right:
        axes.axvline(0, color="#b9bec6", linewidth=0.8, zorder=0.5)
    axes.set_xlim(left, right)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    texts = [wrapped(f"{claim.number} {part.quantity}", 52) for claim, part in rows]
    axes.set_yticks(range(len(rows)), texts, fontsize=SMALL)
    axes.tick_params(axis="y", length=0)
    name_axes(axes, x=scale)


def _handle(marker: str, colour: str) -> Line2D:
    return Line2D([], [], marker=marker, color=colour, linestyle="", markersize=6.5)
