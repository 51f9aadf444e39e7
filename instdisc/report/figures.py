"""Records as a figure."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.types import Record

from .grid import Grid, make_grid
from .notes import intervals

_PER_INCH = 17  # small characters


@checked_call()
def results_figure(records: Iterable[Record], path: str | Path, *, title: str = "") -> Path:
    """Bars with their 95 % intervals: a group per task, a bar per method.

    Args:
        records: one per task and method; all of one data set and unit.
        path: where to save; the suffix chooses the format.
        title: above the figure.

    Returns:
        `path`.

    Raises:
        TypeError: if one is no record.
        ValueError: if there are no records, a number is not finite, there are several records of
            one task and method, or a task has several data sets, metrics, views or settings.
    """
    path = checks.picture_file("path", path)
    grid = make_grid(records)
    _check(grid)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Figure without pyplot: no global state, no window system.
    num_bars = len(grid.results) * len(grid.methods)
    figure = Figure(figsize=(1.6 + 1.1 * num_bars / 2, 3.6), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(grid.methods)
    handles = []
    for method in range(len(grid.methods)):
        cells = {place: cell for (column, place), cell in grid.cells.items() if column == method}
        places = [place + method * width for place in cells]
        bars = axes.bar(places, [cell.pooled.value for cell in cells.values()], width * 0.92)
        handles.append(bars)
        tops = []
        for x, cell in zip(places, cells.values(), strict=True):
            pooled = cell.pooled
            tops.append(max(pooled.value, pooled.value if pooled.high is None else pooled.high))
            if pooled.low is not None and pooled.high is not None:
                # Around its own middle: a percentile interval need not hold the value.
                middle, half = (pooled.low + pooled.high) / 2, (pooled.high - pooled.low) / 2
                axes.errorbar(x, middle, half, fmt="none", ecolor="black", capsize=2)
        for x, top, cell in zip(places, tops, cells.values(), strict=True):
            shown = cell.text.partition(" ")[0]
            axes.annotate(
                shown, (x, top), (0, 2), textcoords="offset points", ha="center", fontsize=8
            )
    metrics = {result.metric for result in grid.results}
    ticks = [
        _plain(result.task if len(metrics) == 1 else f"{result.task}\n{result.metric}")
        for result in grid.results
    ]
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(ticks))], ticks)
    unit = grid.results[0].unit
    axes.set_ylabel(
        _plain(f"{metrics.pop()}" + f" ({unit})" * bool(unit) if len(metrics) == 1 else unit)
    )
    axes.set_title(_plain(title))
    axes.margins(y=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    kinds = intervals(
        {(grid.methods[m], grid.results[p]): cell.pooled for (m, p), cell in grid.cells.items()}
    )
    if kinds:
        characters = int(_PER_INCH * figure.get_size_inches()[0])
        figure.supxlabel(_plain(textwrap.fill(f"Lines: {kinds}", characters)), fontsize=7)
    names = [_plain(name) for name in grid.methods]
    axes.legend(handles, names, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=150)
    return path


def _check(grid: Grid) -> None:
    """Refuses what would have to be pooled, or compares what is not the same."""
    tasks = defaultdict(list)
    for place, result in enumerate(grid.results):
        tasks[result.task].append(place)
    remedy = "Choose one seed and data set, or show them all with results_table."
    for task, places in tasks.items():
        for method, name in enumerate(grid.methods):
            cells = [grid.cells[method, p] for p in places if (method, p) in grid.cells]
            count = sum(len(cell.pooled.records) for cell in cells)
            if count > 1:
                raise ValueError(
                    f"`records` must hold one record per task and method, got {count} of "
                    f"{name!r} on {task!r}. {remedy}"
                )
        if len(places) > 1:
            kinds = [", ".join(map(str, grid.results[p][1:5])) for p in places]
            checks.refuse("records", f"of one kind for the task {task!r}", kinds, remedy)
    for what in ("dataset", "unit"):
        kinds = list(dict.fromkeys(getattr(result, what) for result in grid.results))
        if len(kinds) > 1:
            checks.refuse("records", f"of one {what}", kinds, remedy)


def _plain(text: str) -> str:
    """Text that matplotlib shows as it is: it sets what stands between dollars as mathematics."""
    return text.replace("$", r"\$")
