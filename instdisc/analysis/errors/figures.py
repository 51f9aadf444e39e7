"""Errors of detectors as figures, drawn from the arrays of `diagnose`.

Legend: C classes, K ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, NullLocator

from instdisc import checks
from instdisc.checks import checked_call

from ..analysis import Arrays, checkpoint_arrays, plain_text
from .diagnose import GAINS
from .ranks import HOIEM_TYPES

_COLOURS = ("#dfe3e8", "#4c72b0", "#dd8452", "#55a868", "#8172b3")


@checked_call()
def tide_figure(arrays: Mapping[str, Arrays]) -> Figure:
    """Bars of what mending each type of error would add, for each detector.

    Args:
        arrays: of `diagnose`, by checkpoint.

    Raises:
        ValueError: if there are none, or one lacks ``tide_gains`` or ``tide_ap``.

    Example:
        >>> arrays = {"tide_gains": np.arange(8.0), "tide_ap": np.array(40.0)}
        >>> len(tide_figure({"random": arrays, "MoCo": arrays}).axes[0].patches)
        16
    """
    checkpoint_arrays("arrays", arrays, ["tide_gains", "tide_ap"])
    figure = Figure(figsize=(8.5, 3.4), layout="constrained")
    axes = figure.subplots()
    # A gap before the last two, which say the same in another way.
    places = np.arange(len(GAINS)) + np.array([0.0] * 6 + [0.6] * 2)
    width = 0.8 / len(arrays)
    for row, (name, content) in enumerate(arrays.items()):
        values = content["tide_gains"]
        shift = places + (row - (len(arrays) - 1) / 2) * width
        label = f"{plain_text(name)} (AP {float(content['tide_ap']):.1f})"
        axes.bar(shift, values, 0.92 * width, label=label)
        if "tide_low" in content:
            low, high = content["tide_low"], content["tide_high"]
            # Around its own middle: a percentile interval need not hold the value.
            axes.errorbar(
                shift, (low + high) / 2, (high - low) / 2, fmt="none", ecolor="black", capsize=2,
                linewidth=0.8,
            )  # fmt: skip
    axes.set_xticks(places, GAINS)
    axes.axvline((places[5] + places[6]) / 2, color="grey", linewidth=0.6, linestyle=":")
    axes.set_ylabel("AP gained if mended (points)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure


@checked_call()
def hoiem_figure(arrays: Mapping[str, Arrays], *, classes: Sequence[str] | None = None) -> Figure:
    """Types of detections over their ranks, and of false positives as their number grows.

    Above: the best detections of each class, their number as a multiple of its objects; what they
    are, stacked, and which share of the objects they find, by the strong (line) and by the weak
    threshold (dashes). Below: the best false positives. Means over the classes; one with fewer
    stays at the shares of all that it has. The five-fold form above is that of later papers; Hoiem
    et al. draw the false positives alone.

    Args:
        arrays: of `diagnose`, by checkpoint.
        classes: those that are shown, e.g. of ``VOC_GROUPS["animals"]``; ``None``: all.

    Raises:
        ValueError: if there are no arrays, one lacks an array, or there is no such class.

    Example:
        >>> arrays = {"classes": np.array(["cat"]), "hoiem_shares": np.full((1, 2, 5), 20.0),
        ...     "hoiem_strong": np.ones((1, 2)), "hoiem_weak": np.ones((1, 2)),
        ...     "hoiem_multiples": np.array([0.5, 1.0]), "hoiem_false": np.full((1, 2, 4), 25.0),
        ...     "hoiem_numbers": np.array([25, 50])}
        >>> len(hoiem_figure({"random": arrays}).axes)
        2
    """
    if classes is not None:
        checks.filled("classes", classes)
    columns = [
        *("classes", "hoiem_shares", "hoiem_strong", "hoiem_weak", "hoiem_multiples"),
        *("hoiem_false", "hoiem_numbers"),
    ]
    checkpoint_arrays("arrays", arrays, columns)
    figure = Figure(figsize=(1.2 + 3.2 * len(arrays), 5.6), layout="constrained")
    grid = figure.subplots(2, len(arrays), squeeze=False, sharey=True)
    for (above, below), (name, content) in zip(grid.T, arrays.items(), strict=True):
        rows = _rows(content["classes"].tolist(), classes)
        above.set_title(plain_text(name), fontsize=10)
        multiples, numbers = content["hoiem_multiples"], content["hoiem_numbers"]
        _stack(above, multiples, _mean(content["hoiem_shares"][rows]), _COLOURS)
        for column, style in (("hoiem_strong", "-"), ("hoiem_weak", "--")):
            label = f"recall, {column.removeprefix('hoiem_')}"
            above.plot(multiples, _mean(content[column][rows]), f"k{style}", label=label)
        mistakes = _mean(content["hoiem_false"][rows])
        most = max(2, int((~np.isnan(mistakes[:, 0])).sum()))  # beyond which there are none
        numbers, mistakes = numbers[:most], mistakes[:most]
        _stack(below, numbers, mistakes, _COLOURS[1:])
        _ranks(above, multiples, "detections / objects of the class")
        _ranks(below, numbers, "false positives of a class")
    for axes in grid[:, 0]:
        axes.set_ylabel("share (%)")
    lines, names = grid[0, -1].get_legend_handles_labels()
    areas = [*(Patch(color=colour) for colour in _COLOURS), *lines]
    figure.legend(areas, [*HOIEM_TYPES, *names], loc="outside right center", frameon=False)
    return figure


def _rows(there: list[str], classes: Sequence[str] | None) -> list[int]:
    for name in classes or ():
        checks.choice("classes", name, there)
    return [row for row, name in enumerate(there) if classes is None or name in classes]


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the classes, those that are not NaN; NaN where none is left."""
    there = ~np.isnan(values)
    count = there.sum(0)
    total = np.where(there, values, 0.0).sum(0)
    mean: np.ndarray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _stack(axes: Axes, places: np.ndarray, shares: np.ndarray, colours: Sequence[str]) -> None:
    there = ~np.isnan(shares).any(1)
    if there.sum() == 1:  # an area needs two ends
        axes.bar(
            places[there].repeat(len(colours)), shares[there][0], 0.2 * places[there],
            bottom=shares[there][0].cumsum() - shares[there][0], color=colours,
        )  # fmt: skip
    elif there.any():
        axes.stackplot(places[there], shares[there].T, colors=colours)
    else:
        axes.text(0.5, 0.5, "too few", transform=axes.transAxes, ha="center", color="grey")


def _ranks(axes: Axes, places: np.ndarray, label: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(places[0], places[-1])
    axes.set_ylim(0, 100)
    axes.set_xticks(places, [f"{place:g}" for place in places], fontsize=8)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label, fontsize=9)
