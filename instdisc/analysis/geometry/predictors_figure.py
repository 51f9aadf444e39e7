"""Which number predicts transfer, as a heat map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from matplotlib.figure import Figure

from instdisc import checks
from instdisc.checks import checked_call

from ..analysis import plain_text

_LEVEL = 0.05
_NEEDED = ("predictor", "result", "checkpoints", "tau_chance")


@checked_call()
def predictors_figure(
    arrays: Mapping[str, np.ndarray],
    *,
    statistic: Literal["tau", "r"] = "tau",
    most: int = 30,
) -> Figure:
    """A cell for each predictor and result: correlation over checkpoints, and its interval.

    Predictors stand in the order of their mean correlation. Numbers whose interval holds 0, or
    whose tau a random order reaches in 5 % of the cases or more, are not bold: over so few
    checkpoints they may be chance.

    Args:
        arrays: of `prediction_arrays`, or read from the file of `predict_transfer`.
        statistic: Kendall's ``"tau"`` or Pearson's ``"r"``.
        most: at most so many predictors, those of the largest mean correlation of either sign.

    Raises:
        TypeError, ValueError: if an array is missing, or an option has another value.

    Example:
        >>> import numpy as np
        >>> cell = np.array([[0.5]])
        >>> figure = predictors_figure({"predictor": np.array(["RankMe"]),
        ...     "result": np.array(["linear"]), "checkpoints": np.array([[5]]),
        ...     "tau": cell, "tau_low": cell - 0.4, "tau_high": cell + 0.4,
        ...     "tau_chance": cell})
        >>> figure.axes[0].get_yticklabels()[0].get_text()
        'RankMe'
    """
    checks.whole("most", most)
    columns = (*_NEEDED, statistic, f"{statistic}_low", f"{statistic}_high")
    lacking = [name for name in columns if name not in arrays]
    if lacking:
        checks.refuse("arrays", f"with {lacking[0]!r}", sorted(arrays))
    values, low, high = (arrays[name] for name in columns[len(_NEEDED) :])
    filled = np.isfinite(values)
    means = np.where(filled, values, 0).sum(1) / np.maximum(filled.sum(1), 1)
    rows = np.argsort(-np.abs(means), kind="stable")[:most]
    rows = rows[np.argsort(-means[rows], kind="stable")]
    num_columns = values.shape[1]
    size = (4.2 + 0.85 * num_columns, 2.4 + 0.34 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values[rows], cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    for y, row in enumerate(rows):
        for x in range(num_columns):
            if filled[row, x]:
                outside = low[row, x] > 0 or high[row, x] < 0
                chance = not outside or arrays["tau_chance"][row, x] >= _LEVEL
                ends = f"{low[row, x]:.1f} to {high[row, x]:.1f}"
                color = "white" if abs(values[row, x]) > 0.55 else "black"
                axes.annotate(
                    f"{values[row, x]:.2f}",
                    (x, y),
                    (0, 2),
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color=color,
                    weight="normal" if chance else "bold",
                )
                axes.annotate(
                    ends if np.isfinite(low[row, x]) else "no interval",
                    (x, y),
                    (0, -6),
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    fontsize=5,
                    color=color,
                )
    names = [plain_text(str(text)) for text in arrays["predictor"][rows]]
    axes.set_yticks(range(len(rows)), names, fontsize=7)
    # One line each for task with set, metric, and settings.
    results = [plain_text(str(text)).replace(", ", "\n") for text in arrays["result"]]
    axes.set_xticks(range(num_columns), results, fontsize=7, rotation=90)
    counts = arrays["checkpoints"][filled]
    least, largest = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
    told = f"{least}" if least == largest else f"{least} to {largest}"
    label = "Kendall's tau" if statistic == "tau" else "Pearson's r"
    axes.set_title(f"{label} over {told} checkpoints, higher is better on both sides", fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.8, label=label)
    left_out = len(values) - len(rows)
    note = "Bold: the 95 % interval over checkpoints does not hold 0, and fewer than 5 % of all "
    note += "orders have a tau as far from it."
    if left_out:
        note += f" Predictors nearer to 0 that are not shown: {left_out}."
    figure.supxlabel(note, fontsize=6)
    return figure
