"""Training curves: loss, kNN accuracy and rank of the features, from the CSV logs of the runs.

Legend: T points.
"""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..comparison import Comparison
from ..labels import shortest_names
from ..material import Material
from .chart import Chart
from .curves import line_handle
from .measured import label_methods
from .methods import MOST_METHODS, arrange
from .style import NARROW, Style, add_legend, make_styles, name_axes, new_figure

# What is drawn of a log: column, label of the axis, what a value is multiplied with.
COLUMNS = (
    ("loss", "loss", 1.0),
    ("knn", "kNN top-1 (%)", 100.0),
    ("rankme", "rank of features (RankMe)", 1.0),
)
_LOGS = "csv/version_*/metrics.csv"
_DEPTHS = ("", "*/", "*/*/")  # of runs below the folder of results
_MOST_POINTS = 200  # of a line; more are averaged


def draw_training(material: Material, comparison: Comparison) -> list[Chart]:
    """Loss, kNN and rank over the steps of training, a line for each run.

    Runs are looked for where the checkpoints of the records lie, and up to two folders below the
    results files. Parts of a run that was resumed are put together.

    Args:
        material: records, whose checkpoints name the runs.
        comparison: of the same records: it orders the methods.
    """
    methods = arrange(material, comparison)
    runs = {folder: read_log(folder) for folder in _run_folders(material)}
    runs = {folder: log for folder, log in runs.items() if log}
    if not runs:
        return []
    owners = _owners(material)
    short = shortest_names(str(folder) for folder in runs)
    names = {folder: owners.get(folder, short[str(folder)]) for folder in runs}
    folders = list(runs)[:MOST_METHODS]
    others = [name for name in names.values() if name not in methods.styles]
    styles = make_styles([*methods.styles, *others])
    note = f" Of {len(runs)} runs the first {len(folders)}." if len(runs) > len(folders) else ""
    return [_draw({f: runs[f] for f in folders}, names, styles, note)]


def read_log(folder: Path) -> dict[str, np.ndarray]:
    """Columns of a run's log, each ``(T, 2)`` of step and value.

    Args:
        folder: of the run, with ``csv/version_*/metrics.csv``. What a later version logs for a
            step replaces what an earlier one did.

    Raises:
        ValueError: if a log has no column ``step``, or holds no numbers.
    """
    points: dict[str, dict[int, float]] = {name: {} for name, _, _ in COLUMNS}
    for path in sorted(folder.glob(_LOGS), key=_version):
        with path.open(newline="", encoding="utf-8") as opened:
            rows = csv.DictReader(opened)
            for row in rows:
                for name, of_column in points.items():
                    text = row.get(name)
                    if text:
                        try:
                            of_column[int(float(row["step"]))] = float(text)
                        except (KeyError, TypeError, ValueError) as error:
                            raise ValueError(f"{path} is no log of a run: {error!r}") from error
    return {
        name: np.array(sorted(of_column.items()), float)
        for name, of_column in points.items()
        if of_column
    }


def _version(path: Path) -> int:
    digits = re.sub(r"\D", "", path.parent.name)
    return int(digits) if digits else 0


def _owners(material: Material) -> dict[Path, str]:
    """The method of each run, by the folder in or below which its checkpoint lies.

    A folder with checkpoints of several methods is not taken for a run.
    """
    owners: dict[Path, set[str]] = defaultdict(set)
    for record, method in zip(material.records, label_methods(material.records), strict=True):
        if record.checkpoint:
            for folder in list(Path(record.checkpoint).absolute().parents)[:2]:
                owners[folder].add(method)
    return {folder: names.pop() for folder, names in owners.items() if len(names) == 1}


def _run_folders(material: Material) -> list[Path]:
    """Folders that have logs."""

    def folders() -> Iterator[Path]:
        for folder in _owners(material):
            yield from folder.glob(_LOGS)
        for folder in material.folders:
            for depth in _DEPTHS:
                yield from sorted(folder.absolute().glob(depth + _LOGS))

    return list(dict.fromkeys(path.parents[2] for path in folders()))


def _draw(
    runs: dict[Path, dict[str, np.ndarray]],
    names: dict[Path, str],
    styles: dict[str, Style],
    note: str,
) -> Chart:
    shown = [column for column in COLUMNS if any(column[0] in log for log in runs.values())]
    figure, panels = new_figure(NARROW, 0.4 + 1.8 * len(shown), len(shown), 1, sharex=True)
    gists = []
    for axes, (name, label, factor) in zip(panels, shown, strict=True):
        ends = []
        for folder, log in runs.items():
            if name not in log:
                continue
            points = _thinned(log[name])
            style = styles[names[folder]]
            axes.plot(
                points[:, 0],
                factor * points[:, 1],
                color=style.colour,
                linestyle=style.line,
                marker=style.marker,
                markersize=3.5,
                markevery=max(1, len(points) // 8),
                linewidth=1.4,
            )
            ends.append(f"{names[folder]} {factor * log[name][-1, 1]:.3g}")
        gists.append(f"{label} ends at {', '.join(ends)}")
        axes.grid(axis="y", color="#d9dce1", linewidth=0.6)
        name_axes(axes, y=label.replace("rank of features ", "rank\n"))
    name_axes(panels[-1], x="step", y=panels[-1].get_ylabel())
    add_legend(figure, [line_handle(styles[names[f]]) for f in runs], [names[f] for f in runs])
    return Chart(
        name="training",
        title="Training curves",
        caption="What each run logged over its optimiser steps: "
        + ", ".join(label for _, label, _ in shown)
        + f". Lines of more than {_MOST_POINTS} points are averaged."
        + note,
        alternative="; ".join(gists) + ".",
        figure=figure,
    )


def _thinned(points: np.ndarray) -> np.ndarray:
    """Points averaged in groups of equal size, so that few are left."""
    size = math.ceil(len(points) / _MOST_POINTS)
    if size < 2:
        return points
    parts = np.array_split(points, math.ceil(len(points) / size))
    return np.array([part.mean(0) for part in parts])
