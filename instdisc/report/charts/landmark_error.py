"""How many faces have an error of at most so much."""

from __future__ import annotations

import numpy as np

from ..comparison import Comparison
from ..material import Material
from .chart import Chart
from .curves import MOST_PANELS, line_handle
from .measured import Measured, group_by, measure, ranking, set_names
from .methods import Methods, arrange
from .style import add_legend, name_axes, name_panel, new_panels


def draw_landmark_error(material: Material, comparison: Comparison) -> list[Chart]:
    """The cumulative error curve of landmarks, a panel for each data set.

    Args:
        material: records; the curve stands in the settings of those of ``"NME"``. Of several
            seeds the mean is drawn.
        comparison: of the same records: it orders the methods.
    """
    values = measure(material, lambda r: r.metric == "NME" and bool(_curve(r.settings)))
    methods = arrange(material, comparison)
    panels = list(group_by(values, lambda v: (v.result.dataset, v.result.variant)).values())
    names = set_names(values)
    parts = [panels[k : k + MOST_PANELS] for k in range(0, len(panels), MOST_PANELS)]
    return [_draw(part, methods, names, k) for k, part in enumerate(parts)]


def _draw(
    panels: list[list[Measured]], methods: Methods, names: dict[str, str], part: int
) -> Chart:
    present = {value.method for panel in panels for value in panel}
    chosen = methods.choose(present)
    figure, grid = new_panels(len(panels), height=2.7)
    gists = []
    for axes, panel in zip(grid, panels, strict=True):
        for value in panel:
            if value.method not in chosen:
                continue
            curves = [_curve(record.settings) for record in value.pooled.records]
            errors = np.array(curves[0]["error"], float)
            shares = np.mean([c["share"] for c in curves if c["error"] == curves[0]["error"]], 0)
            style = methods.styles[value.method]
            axes.plot(
                errors, shares, color=style.colour, linestyle=style.line, marker=style.marker,
                markevery=max(1, len(errors) // 6), markersize=4, linewidth=1.5,
            )  # fmt: skip
        axes.set_ylim(0, 103)
        axes.set_xlim(left=0)
        axes.grid(color="#d9dce1", linewidth=0.6)
        result = panel[0].result
        name = ", ".join(filter(None, (names[result.dataset], result.variant)))
        name_panel(axes, name)
        name_axes(axes, x="error of a face (NME, %)", y="faces (%)")
        gists.append(f"{name}: mean error {ranking(panel)}")
    add_legend(figure, [line_handle(methods.styles[method]) for method in chosen], chosen)
    return Chart(
        name="landmark-error" + (f"-{part + 1}" if part else ""),
        title="Cumulative landmark error" + (f", part {part + 1}" if part else ""),
        caption="Share of the test faces whose error is at most so large: the mean over the points "
        "that count, over the distance between the eyes. Higher and further left is better."
        + methods.left_out(present),
        alternative="; ".join(gists) + ".",
        figure=figure,
    )


def _curve(settings: object) -> dict[str, list[float]]:
    curve = settings.get("curve") if hasattr(settings, "get") else None
    if not isinstance(curve, dict) or not {"error", "share"} <= set(curve):
        return {}
    return curve
