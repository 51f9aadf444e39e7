"""Spread of the source classes against transfer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.lines import Line2D

from instdisc.report.charts.style import NARROW, add_legend, name_axes, new_figure
from instdisc.report.grid import number

from ..claims_text import effect
from ..material import Study
from ..values import Column, Values
from ..verdicts import Claim
from ..words import label
from .drawing import Drawing, is_hollow, method_styles


def draw_spread(study: Study, claims: Sequence[Claim], values: Values) -> Drawing | None:
    """A mark for each seed of each method.

    Args:
        study: for methods and measures.
        claims: of which one is about the two numbers.
        values: of its records.
    """
    spread, transfer = study.rules["measures"]["spread"], study.rules["measures"]["transfer"]
    x = Column("", spread["tasks"][0], spread["metric"], tuple(study.sets("spread")))
    y = Column("", transfer["tasks"][0], transfer["metric"], tuple(study.sets("transfer")))
    styles, handles, names, told = method_styles(study), [], [], []
    figure, (axes,) = new_figure(NARROW, 3.9)
    for method in study.methods:
        across, up = values.summary(method, x), values.summary(method, y)
        if across is None or up is None:
            continue
        seeds = [seed for seed in across.by_seed if seed in up.by_seed]
        style = styles[method]
        looks: dict[str, Any] = {
            "marker": style.marker,
            "color": style.colour,
            "markerfacecolor": "white" if is_hollow(method) else style.colour,
            "markersize": 6,
            "linestyle": "",
        }
        if seeds:
            xs, ys = [across.by_seed[s] for s in seeds], [up.by_seed[s] for s in seeds]
            axes.plot(xs, ys, **looks)
            handles.append(Line2D([], [], **looks))
            names.append(label(method))
            told.append(f"{label(method)} {number(across.mean, 3)} and {number(up.mean, 1)} %")
    if not names:
        return None
    axes.grid(color="#d9dce1", linewidth=0.6)
    name_axes(axes, x="intra-class spread, last stage, source", y="transfer, mean top-1 (%)")
    add_legend(figure, handles, names)
    of_claim = [claim for claim in claims if claim.name == "spread-goes-with-transfer"]
    tested = "".join(
        f" Claim {claim.number}, {part.quantity}: {effect(part)}, {part.verdict}."
        for claim in of_claim
        for part in claim.parts
    )
    return Drawing(
        "Spread within source classes against transfer",
        "Intra-class spread of the last stage on the source against transfer, the mean top-1 of "
        f"the readout over {len(y.sets)} targets; a mark for each seed.{tested}",
        f"Spread and transfer, means over seeds: {'; '.join(told)}.",
        figure,
    )
