"""Whether confidence is accuracy: what a task's predictions tell, as records and as a diagram.

Legend: N images, M bins.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource
from instdisc.metrics import calibration_error
from instdisc.metrics.inputs import check_classes, check_confidences
from instdisc.records import Run
from instdisc.transfer import bootstrap_records, confidence_records, save_predictions
from instdisc.transfer.provenance import checked
from instdisc.types import About, Record

from ..analysis import Arrays, checkpoint_arrays, plain_text

_COLUMNS = 4


@checked_call()
class Reliability(NamedTuple):
    """Accuracy by confidence.

    Attributes:
        images: ``(M,)`` int64 in each bin ``((m - 1) / M, m / M]``.
        confidence: ``(M,)`` float64 mean of the bin; NaN where it is empty.
        accuracy: ``(M,)`` float64, likewise.
    """

    images: Tensor
    confidence: Tensor
    accuracy: Tensor


@checked_call()
def reliability(confidences: Tensor, hits: Tensor, *, num_bins: int = 15) -> Reliability:
    """Mean confidence and accuracy in each of M bins of equal width.

    Args:
        confidences: ``(N,)`` float in [0, 1], the probability of the predicted class.
        hits: ``(N,)`` bool, whether the prediction is right.
        num_bins: M.

    Raises:
        TypeError, ValueError: see `calibration_error`.

    Source:
        DeGroot and Fienberg (1983); Guo et al. (2017), equations 1 and 2. The expected calibration
        error is the mean gap, weighted by the images.

    Example:
        >>> reliability(torch.tensor([0.9, 0.7]), torch.tensor([True, False]), num_bins=2).accuracy
        tensor([   nan, 0.5000], dtype=torch.float64)
    """
    checks.shape("confidences", confidences, ("N",))
    check_confidences(confidences, hits)
    confidences = confidences.double()
    bins = (confidences * num_bins).ceil().long().clamp(1, num_bins) - 1
    images = bins.bincount(minlength=num_bins)
    sums = (bins.bincount(values, minlength=num_bins) for values in (confidences, hits.double()))
    confidence, accuracy = (total / images for total in sums)
    return Reliability(images, confidence, accuracy)


@checked_call()
def calibrate(
    predictions: Arrays,
    images: ImageSource | None = None,
    *,
    seed: int = 0,
    num_bins: int = 15,
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """Whether the confidence that a task kept is its accuracy.

    Args:
        predictions: what a classifier kept of the test images: ``label``, ``prediction``,
            ``confidence`` and, after temperature scaling, ``tempered_confidence``, each ``(N,)``.
        images: those that were tested on; only their name is used.
        seed: of the intervals.
        num_bins: M of the diagram and of ``"overconfidence"``'s settings.
        about: what the records say.
        arrays: a ``.npz`` file for what `reliability_figure` draws: ``images``, ``confidence``,
            ``accuracy``, each ``(M,)``, and likewise ``tempered_images`` and so on; ``None``: none.

    Returns:
        In percent: how much the mean confidence exceeds the accuracy (below 0: too modest; less is
        called better, for too modest is the smaller evil), ECE, RMS calibration error and AURRA;
        and the ECE after temperature scaling where there is one.

    Raises:
        TypeError: if classes are no whole numbers.
        ValueError: if an array is missing, differs in length, or a class or confidence is not
            known.

    Example:
        >>> kept = {"label": np.array([0, 1]), "prediction": np.array([0, 0]),
        ...     "confidence": np.array([0.9, 0.8])}
        >>> [(record.metric, round(record.value, 1)) for record in calibrate(kept)]
        [('overconfidence', 35.0), ('ECE', 45.0), ('RMS calibration error', 35.0), ('AURRA', 75.0)]
    """
    start = time.perf_counter()
    checkpoint_arrays("predictions", {"": predictions}, ["label", "prediction", "confidence"])
    label, prediction, confidence = (
        torch.from_numpy(np.asarray(predictions[name]))
        for name in ("label", "prediction", "confidence")
    )
    check_classes("label", label)  # an image of unknown class is neither right nor wrong
    check_classes("prediction", prediction)
    checks.shape("prediction", prediction, label.shape)
    checks.all_finite("confidence", confidence.float(), row="image")
    hits = label == prediction
    diagram = reliability(confidence, hits, num_bins=num_bins)
    whose = About(dataset="" if images is None else images.name).update(checked(about))
    run = Run(whose, seed, 0.0, {"num_bins": num_bins})
    columns: dict[str, Tensor] = {**diagram._asdict()}
    records = [
        *bootstrap_records(
            "calibration",
            {"overconfidence": lambda gaps: gaps.mean(1)},
            [confidence.double() - hits.double()],
            run,
            lower=["overconfidence"],
        ),
        *confidence_records("calibration", confidence, hits, run),
    ]
    if "tempered_confidence" in predictions:
        tempered = torch.from_numpy(np.asarray(predictions["tempered_confidence"]))
        after = reliability(tempered, hits, num_bins=num_bins)
        columns |= {f"tempered_{name}": values for name, values in after._asdict().items()}
        records += bootstrap_records(
            "calibration",
            {"ECE, tempered": calibration_error},
            [tempered, hits],
            run,
            lower=["ECE, tempered"],
        )
    save_predictions(arrays, columns)
    seconds = time.perf_counter() - start
    return [record._replace(seconds=seconds) for record in records]


@checked_call()
def reliability_figure(arrays: Mapping[str, Arrays]) -> Figure:
    """Accuracy over confidence, a panel for each checkpoint; below, how many images.

    Bars below the diagonal: too confident; above: too modest. The line is what temperature scaling
    makes of it, where it was fitted.

    Args:
        arrays: by checkpoint, what `calibrate` keeps.

    Raises:
        ValueError: if there is no checkpoint, or an array is missing.

    Example:
        >>> some = reliability(torch.rand(99), torch.rand(99) > 0.5)
        >>> figure = reliability_figure({"MoCo": {k: v.numpy() for k, v in some._asdict().items()}})
        >>> len(figure.axes)
        2
    """
    checkpoint_arrays("arrays", arrays, ["images", "confidence", "accuracy"])
    columns = min(_COLUMNS, len(arrays))
    rows = -(-len(arrays) // columns)
    figure = Figure(figsize=(2.6 * columns + 0.4, 3.4 * rows), layout="constrained")
    grid = figure.subplots(
        2 * rows, columns, squeeze=False, gridspec_kw={"height_ratios": [3, 1] * rows}
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for place, (checkpoint, content) in enumerate(arrays.items()):
        row, column = divmod(place, columns)
        upper, lower = grid[2 * row, column], grid[2 * row + 1, column]
        counts = content["images"]
        middles = (np.arange(len(counts)) + 0.5) / len(counts)
        filled = counts > 0
        gaps = np.abs(content["accuracy"] - content["confidence"])[filled]
        error = float((gaps * counts[filled]).sum() / counts.sum())
        title = f"{plain_text(checkpoint)}\nECE {100 * error:.1f} %"
        upper.set_axis_on()
        upper.bar(
            middles[filled],
            content["accuracy"][filled],
            0.92 / len(counts),
            color="tab:blue",
            label="accuracy",
        )
        upper.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--")
        if "tempered_images" in content:
            seen = content["tempered_images"] > 0
            after = content["tempered_confidence"][seen], content["tempered_accuracy"][seen]
            upper.plot(*after, color="tab:orange", marker=".", label="after tempering")
            gaps, weights = np.abs(after[0] - after[1]), content["tempered_images"][seen]
            title += f", tempered {100 * float((gaps * weights).sum() / weights.sum()):.1f} %"
            upper.legend(fontsize=7, loc="upper left")
        upper.set_title(title, fontsize=9)
        upper.set_xlim(0, 1)
        upper.set_ylim(0, 1)
        lower.set_axis_on()
        lower.bar(middles, counts / counts.sum(), 0.92 / len(counts), color="grey")
        lower.set_xlim(0, 1)
        lower.set_xlabel("confidence", fontsize=8)
        if not column:
            upper.set_ylabel("accuracy", fontsize=8)
            lower.set_ylabel("share", fontsize=8)
        for axes in (upper, lower):
            axes.tick_params(labelsize=7)
    return figure
