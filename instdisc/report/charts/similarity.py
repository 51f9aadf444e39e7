"""How alike the layers of all networks are: CKA as one map.

Legend: L layers of all checkpoints together.
"""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from instdisc.types import Record

from ..comparison import Comparison
from ..labels import shortest_names
from ..material import Material
from .chart import Chart
from .heat_map import add_bar, draw_map, separate, short_number, write_numbers
from .measured import slug
from .style import NARROW, SMALL, name_axes, new_figure, wrapped

_TASK = re.compile(r"(?:.+_)?similarity")
_MOST_CHECKPOINTS = 6
_MOST_WRITTEN = 12  # layers up to which each cell shows its number
_DARK = 0.6


def draw_similarity(material: Material, comparison: Comparison) -> list[Chart]:
    """A map of CKA for each data set and run of `compare_layers`.

    Args:
        material: records of the analysis `similarity`, with its arrays.
        comparison: of the same records.

    Returns:
        Charts of the first six checkpoints each.
    """
    runs: dict[str, Record] = {}
    for record in material.records:
        if record.job and _TASK.fullmatch(record.task) and record.metric.startswith("CKA"):
            runs.setdefault(record.job, record)
    names = shortest_names(record.dataset for record in runs.values())
    charts = []
    counts: dict[str, int] = defaultdict(int)
    for record in runs.values():
        arrays = material.arrays(record)
        if arrays is not None and {"checkpoint", "layer", "layer_ends", "cka"} <= set(arrays):
            charts.append(_draw(arrays, names[record.dataset], counts[record.dataset]))
            counts[record.dataset] += 1
    return charts


def _draw(arrays: dict[str, np.ndarray], dataset: str, part: int) -> Chart:
    total = len(arrays["checkpoint"])
    ends = [int(end) for end in arrays["layer_ends"][:_MOST_CHECKPOINTS]]
    checkpoints = [str(name) for name in arrays["checkpoint"][:_MOST_CHECKPOINTS]]
    cka = np.asarray(arrays["cka"], float)[: ends[-1], : ends[-1]]  # (L, L)
    figure, (axes,) = new_figure(NARROW, NARROW)
    shown = draw_map(axes, cka, colours="Blues", lowest=0, highest=1)
    axes.set_aspect("equal")
    separate(axes, ends, rows=True)
    if len(cka) <= _MOST_WRITTEN:
        write_numbers(axes, [[short_number(x) for x in row] for row in cka], cka > _DARK)
    starts = [0, *ends[:-1]]
    middles = [(start + end - 1) / 2 for start, end in zip(starts, ends, strict=True)]
    texts = [wrapped(name, max(8, 66 // len(checkpoints))) for name in checkpoints]
    axes.set_xticks(middles, texts, fontsize=SMALL)
    axes.set_yticks(middles, [wrapped(name, 16) for name in checkpoints], fontsize=SMALL)
    name_axes(axes, x="layers of each checkpoint, shallow to deep")
    add_bar(figure, shown, axes, "CKA")
    note = f" Of {total} checkpoints the first {len(ends)}." if total > len(ends) else ""
    return Chart(
        name=slug("similarity", dataset, f"{part + 1}" if part else ""),
        title=f"Similarity of layers (CKA) on {dataset}",
        caption="Linear CKA of every layer with every other; within a block the layers run from "
        "shallow to deep, to the right and downwards. 1: equal up to rotation and scale." + note,
        alternative=_gist(cka, checkpoints, ends),
        figure=figure,
    )


def _gist(cka: np.ndarray, checkpoints: list[str], ends: list[int]) -> str:
    """The most and the least alike of the last layers."""
    pairs = [
        (float(cka[ends[a] - 1, ends[b] - 1]), f"{checkpoints[a]} and {checkpoints[b]}")
        for a in range(len(ends))
        for b in range(a + 1, len(ends))
    ]
    if not pairs:
        return f"First and last layer of {checkpoints[0]}: CKA {cka[0, -1]:.2f}."
    most, least = max(pairs), min(pairs)
    text = f"CKA of the last layers: {most[0]:.2f} for {most[1]}"
    return text + ("." if most == least else f" (most) to {least[0]:.2f} for {least[1]} (least).")
