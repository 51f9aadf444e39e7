"""Records as a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from instdisc.types import Record


def results_figure(records: Sequence[Record], path: str | Path, *, title: str = "") -> Path:
    """Bars with 95 % intervals: a group per task, a bar per method.

    Args:
        records: one per task and method.
        path: where to save; the suffix chooses the format.
        title: above the figure.

    Returns:
        `path`.

    Raises:
        ValueError: if there are no records, or several of one task and method.
    """
    if not records:
        raise ValueError("`records` must hold at least one record, got none")
    (pair, count), *_ = Counter((r.method, r.task) for r in records).most_common(1)
    if count > 1:
        raise ValueError(
            f"`records` must hold one record per task and method, got {count} of {pair[0]!r} on "
            f"{pair[1]!r}. Choose one seed and data set, or show them all with results_table."
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tasks = list(dict.fromkeys(record.task for record in records))
    methods = list(dict.fromkeys(record.method for record in records))
    # Figure without pyplot: no global state, no window system.
    figure = Figure(figsize=(1.6 + 1.1 * len(tasks) * len(methods) / 2, 3.6), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(methods)
    for position, method in enumerate(methods):
        own = {record.task: record for record in records if record.method == method}
        places = [index + position * width for index, task in enumerate(tasks) if task in own]
        shown = [own[task] for task in tasks if task in own]
        bars = axes.bar(
            places,
            [record.value for record in shown],
            width * 0.92,
            yerr=[record.ci or 0.0 for record in shown],
            capsize=2,
            label=method,
        )
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=8)
    axes.set_xticks([index + 0.4 - width / 2 for index in range(len(tasks))], tasks)
    axes.set_ylabel(f"{records[0].metric} ({records[0].unit})")
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=150)
    return path
