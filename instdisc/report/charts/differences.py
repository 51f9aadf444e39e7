"""Differences of the best method to every other: a point and its interval in rows of sets."""

from __future__ import annotations

from ..comparison import Comparison, Difference
from ..labels import shortest_names
from ..material import Material
from ..pooling import Pooled, Result
from .chart import Chart
from .measured import Measured, full_headlines, interval_sentence, slug, told
from .methods import Methods, arrange
from .rows import Point, draw_rows, split_rows
from .style import shortened


def draw_differences(material: Material, comparison: Comparison) -> list[Chart]:
    """The method of the best mean rank against every other, on every data set.

    Args:
        material: records.
        comparison: of the same records; the headline metrics are drawn.

    Returns:
        A chart for each task, or several of at most 12 data sets each.
    """
    methods = arrange(material, comparison)
    if not comparison.ranks:
        return []
    best = comparison.ranks[0].method
    full = {v.result[:5] for v in full_headlines(comparison)}
    rows = [
        row
        for other in methods.order
        for row in comparison.between(best, other)
        if (row.task, row.metric, row.dataset, row.unit, row.variant) in full
    ]
    names = shortest_names(row.dataset for row in rows)
    groups: dict[tuple[str, str, str], dict[str, list[Difference]]] = {}
    for row in rows:
        name = ", ".join(filter(None, (names[row.dataset], row.variant)))
        group = groups.setdefault((row.task, row.metric, row.unit), {})
        group.setdefault(name, []).append(row)
    charts = []
    for what, of_sets in groups.items():
        shown = methods.choose({row.b for group in of_sets.values() for row in group})
        for part, keys in enumerate(split_rows(list(of_sets), len(shown))):
            charts.append(_draw(what, {key: of_sets[key] for key in keys}, best, methods, part))
    return charts


def _draw(
    what: tuple[str, str, str],
    rows: dict[str, list[Difference]],
    best: str,
    methods: Methods,
    part: int,
) -> Chart:
    task, metric, unit = what
    present = {row.b for group in rows.values() for row in group}
    chosen = methods.choose(present)
    drawn = {name: [row for row in group if row.b in chosen] for name, group in rows.items()}
    points = "points" if unit == "%" else unit
    figure = draw_rows(
        {name: [_point(row) for row in group] for name, group in drawn.items()},
        {method: methods.styles[method] for method in chosen},
        label=f"{shortened(best, 30)} better by" + (f" ({points})" if points else ""),
        zero=True,
    )
    pooled = [_pooled(row) for group in drawn.values() for row in group]
    more = f", part {part + 1}" if part else ""
    return Chart(
        name=slug("differences", task, metric, f"{part + 1}" if part else ""),
        title=f"{task}: {best} against the others{more}",
        caption=f"How much better {best}, the method of the best mean rank, is in {metric}; left "
        "of 0 the other is better. Filled points are significant after Holm's correction, hollow "
        "points are ties." + interval_sentence(pooled) + methods.left_out(present),
        alternative="; ".join(f"{name}: {_gist(group, points)}" for name, group in drawn.items())
        + ".",
        figure=figure,
    )


def _pooled(row: Difference) -> Measured:
    """A difference as a value with its interval, like any other."""
    result = Result(row.task, row.metric, row.dataset, row.unit, row.variant, True)
    return Measured(row.b, result, Pooled([], row.difference, row.low, row.high, row.how, []))


def _point(row: Difference) -> Point:
    return Point(row.b, row.difference, row.low, row.high, filled=row.significant)


def _gist(group: list[Difference], unit: str) -> str:
    wins = sum(row.significant and row.difference > 0 for row in group)
    losses = sum(row.significant and row.difference < 0 for row in group)
    gaps = [row.difference for row in group]
    return (
        f"better than {wins} of {len(group)} and worse than {losses}, by "
        f"{told(min(gaps), '')} to {told(max(gaps), unit)}"
    )
