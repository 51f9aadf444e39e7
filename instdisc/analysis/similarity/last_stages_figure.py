"""Fine-tuning the last k stages, drawn from the arrays of `evaluate_last_stages`.

Legend: K choices of how many stages train, S stages.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from instdisc.checks import checked_call

from ..analysis import Arrays, checkpoint_arrays, plain_text

_SHADES = colormaps["viridis"]
_COLUMNS = ("last_stages", "stage", "top1", "top1_low", "top1_high", "cka", "cka_low", "cka_high")


@checked_call()
def last_stages_figure(arrays: Mapping[str, Arrays]) -> Figure:
    """Left, the accuracy over how many stages train; right, for each checkpoint what moved.

    Args:
        arrays: by checkpoint, of `evaluate_last_stages`.

    Raises:
        ValueError: if there is no checkpoint, or an array is missing.

    Example:
        >>> arrays = {"last_stages": np.arange(2), "stage": np.array(["layer1"]),
        ...     **{f"top1{end}": np.array([50.0, 60.0]) for end in ("", "_low", "_high")},
        ...     **{f"cka{end}": np.array([[1.0], [0.6]]) for end in ("", "_low", "_high")}}
        >>> len(last_stages_figure({"net": arrays}).axes)
        2
    """
    checkpoint_arrays("arrays", arrays, _COLUMNS)
    figure = Figure(figsize=(4.2 + 2.6 * len(arrays), 3.4), layout="constrained")
    curve, *moved = figure.subplots(1, 1 + len(arrays), width_ratios=[1.5] + [1] * len(arrays))
    most = max(int(content["last_stages"].max()) for content in arrays.values())
    for name, content in arrays.items():
        low, high = content["top1_low"], content["top1_high"]
        (line,) = curve.plot(
            content["last_stages"],
            content["top1"],
            marker="o",
            markersize=3,
            label=plain_text(name),
        )
        curve.fill_between(
            content["last_stages"], low, high, color=line.get_color(), alpha=0.15, linewidth=0
        )
    curve.set_xticks(range(most + 1))
    curve.set_xlabel("last stages that train")
    curve.set_ylabel("top-1 (%)")
    curve.legend(frameon=False)
    for axes, (name, content) in zip(moved, arrays.items(), strict=True):
        colours = np.linspace(0.15, 0.85, len(content["last_stages"]))
        for row, count in enumerate(content["last_stages"].tolist()):
            colour = _SHADES(colours[row])
            steps = range(len(content["stage"]))
            axes.plot(steps, content["cka"][row], marker="o", markersize=3, color=colour,
                      label=f"last {count}")  # fmt: skip
            ends = (content["cka_low"][row], content["cka_high"][row])
            axes.fill_between(steps, *ends, color=colour, alpha=0.15, linewidth=0)
        axes.set_xticks(range(len(content["stage"])), content["stage"], rotation=90, fontsize=8)
        axes.set_ylim(min(0, float(np.nanmin(content["cka_low"]))), 1.02)
        axes.set_title(plain_text(name), fontsize=9)
    moved[0].set_ylabel("CKA, before and after")
    moved[-1].legend(frameon=False, fontsize=7)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("Bands: over test images, 95 %", fontsize=7)
    return figure
