"""What each method reaches on each data set: a point and its interval in rows of sets."""

from __future__ import annotations

from collections.abc import Sequence

from ..comparison import Comparison
from ..material import Material
from .chart import Chart
from .measured import (
    Measured,
    full_headlines,
    group_by,
    interval_sentence,
    ranking,
    set_names,
    slug,
    unit_of,
)
from .methods import Methods, arrange
from .rows import draw_rows, point, split_rows


def draw_forest(material: Material, comparison: Comparison) -> list[Chart]:
    """The headline metric of every task on every data set, with intervals.

    Where there are several shares of labels, the largest counts; `draw_shares` draws the others.

    Args:
        material: records.
        comparison: of the same records.

    Returns:
        A chart for each task, or several of at most 12 data sets each.
    """
    methods = arrange(material, comparison)
    charts = []
    groups = group_by(full_headlines(comparison), lambda v: (v.result.task, v.result.metric))
    for group in groups.values():
        if len(group) < 2:
            continue  # a single value needs no figure
        rows = list(group_by(group, lambda v: (v.result.dataset, v.result.variant)).values())
        shown = methods.choose({value.method for value in group})
        parts = split_rows(rows, len(shown))
        charts += [_draw(part, methods, set_names(group), k) for k, part in enumerate(parts)]
    return charts


def _draw(
    rows: Sequence[list[Measured]], methods: Methods, names: dict[str, str], part: int
) -> Chart:
    result = rows[0][0].result
    present = {value.method for row in rows for value in row}
    chosen = methods.choose(present)
    shown = {
        ", ".join(filter(None, (names[row[0].result.dataset], row[0].result.variant))): [
            value for value in row if value.method in chosen
        ]
        for row in rows
    }
    figure = draw_rows(
        {name: [point(value) for value in row] for name, row in shown.items()},
        {method: methods.styles[method] for method in chosen},
        label=unit_of(result.metric, result.unit),
    )
    better = "higher" if result.higher_is_better else "lower"
    told = interval_sentence(value for row in shown.values() for value in row)
    return Chart(
        name=slug("forest", result.task, result.metric, f"{part + 1}" if part else ""),
        title=f"{result.task}: {result.metric}" + (f", part {part + 1}" if part else ""),
        caption=f"{result.metric} of {result.task} on each data set; {better} is better."
        + told
        + methods.left_out(present),
        alternative="; ".join(f"{name}: {ranking(row)}" for name, row in shown.items() if row)
        + ".",
        figure=figure,
    )
