"""What each stage of each network still tells of its images: factors by stages.

Legend: F factors, S stages, M methods.
"""

from __future__ import annotations

import re

import numpy as np

from ..comparison import Comparison
from ..material import Material
from .chart import Chart
from .heat_map import add_bar, draw_map, separate, short_number, write_numbers
from .measured import Measured, group_by, measure, set_names, slug
from .methods import arrange
from .style import NARROW, SMALL, name_axes, new_figure, wrapped

_TASK = re.compile(r"stage(\d+)_(?:factors|moved)")
_METRIC = re.compile(r"(?:R2|accuracy) (.+)")
_MOST_COLUMNS = 12  # stages of all methods of a figure together
_DARK = 0.55  # from here on numbers are white


def draw_factors(material: Material, comparison: Comparison) -> list[Chart]:
    """Factor by stage for each data set: R2, or the accuracy above chance.

    Args:
        material: records of the analysis `factors`.
        comparison: of the same records: it orders the methods.

    Returns:
        Charts of as many methods as fit into 12 columns.
    """
    values = measure(
        material, lambda r: bool(_TASK.fullmatch(r.task) and _METRIC.fullmatch(r.metric))
    )
    names = set_names(values)
    methods = arrange(material, comparison)
    charts = []
    for (dataset, task), group in group_by(values, lambda v: (v.result.dataset, _kind(v))).items():
        present = {value.method for value in group}
        chosen = methods.choose(present)
        num_stages = max(map(_stage, group))
        count = max(1, _MOST_COLUMNS // num_stages)
        for part, start in enumerate(range(0, len(chosen), count)):
            some = chosen[start : start + count]
            kept = [value for value in group if value.method in some]
            note = methods.left_out(present)
            charts.append(_draw(kept, some, num_stages, f"{task} of {names[dataset]}", part, note))
    return charts


def shade(value: Measured) -> float:
    """R2 as it is, and an accuracy as (accuracy - chance) / (100 - chance)."""
    if value.result.unit != "%":
        return value.pooled.value
    chance = float(value.record.settings.get("chance", 0.0))
    return (value.pooled.value - chance) / max(100 - chance, 1e-9)


def _draw(
    values: list[Measured], methods: list[str], num_stages: int, what: str, part: int, note: str
) -> Chart:
    # In the order of the set, from low to high level.
    factors = list(dict.fromkeys(_factor(value) for value in values))
    table = np.full((len(factors), num_stages * len(methods)), np.nan)  # (F, M S)
    for value in values:
        column = methods.index(value.method) * num_stages + _stage(value) - 1
        table[factors.index(_factor(value)), column] = shade(value)
    figure, (axes,) = new_figure(NARROW, 1.5 + 0.23 * len(factors))
    shown = draw_map(axes, table, colours="Blues", lowest=0, highest=1)
    write_numbers(axes, [[short_number(x) for x in row] for row in table], table > _DARK)
    ends = [num_stages * (k + 1) for k in range(len(methods))]
    separate(axes, ends)
    axes.set_yticks(range(len(factors)), [wrapped(name, 26) for name in factors], fontsize=SMALL)
    axes.set_xticks(
        range(ends[-1]), [str(k % num_stages + 1) for k in range(ends[-1])], fontsize=SMALL
    )
    name_axes(axes, x="stage")
    middles = [end - (num_stages + 1) / 2 for end in ends]
    above = axes.secondary_xaxis("top")
    above.set_xticks(middles, [wrapped(m, max(9, 36 // len(methods))) for m in methods])
    above.tick_params(length=0, labelsize=SMALL)
    above.spines[:].set_visible(False)
    add_bar(figure, shown, axes, "R2, or accuracy above chance (1 = all)")
    last = table[:, [end - 1 for end in ends]]
    gists = []
    for row, method in enumerate(methods):
        if np.isfinite(last[:, row]).any():
            best, least = np.nanargmax(last[:, row]), np.nanargmin(last[:, row])
            gists.append(
                f"the last stage of {method} tells {factors[best]} best ({last[best, row]:.2f}) "
                f"and {factors[least]} least ({last[least, row]:.2f})"
            )
    return Chart(
        name=slug("factors", what, f"{part + 1}" if part else ""),
        title=f"What each stage tells: {what}" + (f", part {part + 1}" if part else ""),
        caption="A linear read-out of each factor from each stage, shallow to deep: R2 on images "
        "not fitted to, or for a class the accuracy above chance, (accuracy - chance) / (1 - "
        "chance). The records hold the intervals." + note,
        alternative="; ".join(gists) + ".",
        figure=figure,
    )


def _kind(value: Measured) -> str:
    return value.result.task.partition("_")[2]


def _stage(value: Measured) -> int:
    match = _TASK.fullmatch(value.result.task)
    assert match is not None  # it is why the record was chosen
    return int(match.group(1))


def _factor(value: Measured) -> str:
    match = _METRIC.fullmatch(value.result.metric)
    assert match is not None
    return match.group(1)
