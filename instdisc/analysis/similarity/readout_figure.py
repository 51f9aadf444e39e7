"""One result of every checkpoint over another: does the cheap number tell the costly one?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from matplotlib.figure import Figure

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.metrics import t_interval
from instdisc.types import Record

from ..analysis import plain_text


class Point(NamedTuple):
    """What a method has in one measurement: one record, or the mean over several.

    Attributes:
        value: the number.
        ends: of its interval; ``None`` if there is none.
    """

    value: float
    ends: tuple[float, float] | None


@checked_call()
def readout_figure(
    records: Iterable[Record],
    *,
    x: Sequence[str] = ("readout", "top-1"),
    y: Sequence[str] = ("detection", "box AP"),
) -> Figure:
    """A point for each method, at its value in one measurement and in another, with intervals.

    Zhao et al. ask whether the readout of frozen features tells what fine-tuning for detection
    gives, and find that it does not. Several records of one method and measurement, as of seeds,
    become their mean with a t interval, or none where there are but two.

    Args:
        records: of a results file, or several; those of other measurements are passed over.
        x: task and metric, and the data set if there are several: ``("readout", "top-1",
            "cifar10")``.
        y: likewise.

    Raises:
        TypeError: if one is no record.
        ValueError: if a measurement stands in no record, or in those of several data sets or units;
            if a method has the one and not the other, or there are fewer than two methods.

    Source:
        Zhao et al. (2021) set the readout on ImageNet beside detection by the same backbones.
        Which figure shows it, and how, is not public; ours.

    Example:
        >>> records = [Record(task=t, dataset="d", metric=m, value=v, method=name)
        ...     for t, m in (("readout", "top-1"), ("detection", "box AP"))
        ...     for name, v in (("MoCo", 60.0), ("supervised", 76.0))]
        >>> readout_figure(records).axes[0].get_xlabel()
        'readout, d: top-1 (%)'
    """
    records = list(records)
    for record in records:
        checks.instance("records", record, Record, "a list of records")
    (across, x_label), (up, y_label) = (_points(n, w, records) for n, w in (("x", x), ("y", y)))
    for name, has, lacks in (("y", across, up), ("x", up, across)):
        missing = [method for method in has if method not in lacks]
        if missing:
            remedy = f"{missing[0]!r} has none: run the task, or leave its records out."
            checks.refuse(name, "measured for every method", sorted(has.keys() & lacks), remedy)
    if len(across) < 2:
        checks.refuse("records", "of at least two methods", sorted(across))
    figure = Figure(figsize=(5.4, 4), layout="constrained")
    axes = figure.subplots()
    markers = []
    for method in sorted(across):
        points = across[method], up[method]
        (marker,) = axes.plot(*([point.value] for point in points), marker="o", linestyle="")
        markers.append(marker)
        for place, point in enumerate(points):
            if point.ends is not None:
                # A line from end to end: an interval need not hold the value in its middle.
                span = [[points[0].value] * 2, [points[1].value] * 2]
                span[place] = list(point.ends)
                axes.plot(*span, color=marker.get_color(), linewidth=1)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    # Names beside the points would cover each other where methods are near.
    names = [plain_text(method) for method in sorted(across)]
    axes.legend(markers, names, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.margins(0.12)
    axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("Lines: 95 % intervals of the records, or t over seeds", fontsize=7)
    return figure


def _points(
    name: str, which: Sequence[str], records: Sequence[Record]
) -> tuple[dict[str, Point], str]:
    """The point of each method, and what the axis is called."""
    if isinstance(which, str) or len(which) not in (2, 3):
        checks.refuse(name, "(task, metric) or (task, metric, data set)", which)
    chosen = [
        record
        for record in records
        if (record.task, record.metric, record.dataset)[: len(which)] == tuple(which)
    ]
    if not chosen:
        there = sorted({(record.task, record.metric, record.dataset) for record in records})
        checks.refuse(name, f"a measurement of `records`, such as {there[:4]}", tuple(which))
    for what in ("dataset", "unit"):
        kinds = sorted({str(getattr(record, what)) for record in chosen})
        if len(kinds) > 1:
            checks.refuse(name, f"of one {what}", kinds, "Add the data set as a third text.")
    of_method: dict[str, list[Record]] = defaultdict(list)
    for record in chosen:
        checks.finite(f"{record.metric} of {record.method}", record.value)
        of_method[record.method or record.architecture or "unnamed"].append(record)
    first = chosen[0]
    unit = f" ({first.unit})" if first.unit else ""
    label = f"{first.task}, {first.dataset}: {first.metric}{unit}"
    return {method: _pooled(group) for method, group in of_method.items()}, label


def _pooled(records: list[Record]) -> Point:
    values = [record.value for record in records]
    if len(values) == 1:
        low, high = records[0].low, records[0].high
        return Point(values[0], None if low is None or high is None else (low, high))
    if len(values) == 2:
        return Point(fmean(values), None)
    return Point(fmean(values), t_interval(values))
