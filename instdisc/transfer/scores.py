"""What a classifier is worth on a test set, as records.

Legend: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from instdisc.metrics import calibration_error, mean_per_class_accuracy
from instdisc.records import Run
from instdisc.types import Record

from .intervals import bootstrap_records, share_record
from .labelled import check_labels
from .predictions import save_predictions


def score_records(
    task: str,
    logits: Tensor,
    labels: Tensor,
    run: Run,
    *,
    names: Sequence[str] = (),
    predictions: str | Path | None = None,
) -> list[Record]:
    """Top-1, mean per class and ECE (15 bins) in percent, each with an interval over the images.

    Args:
        task: name of the task.
        logits: ``(N, C)``.
        labels: ``(N,)`` int64; images of unknown class (-1) are left out.
        run: what the records of the run have in common; its seed resamples.
        names: of the N images, for the predictions.
        predictions: a ``.npz`` file for ``image``, ``label``, ``prediction`` and ``confidence`` of
            each image; ``None``: none.

    Returns:
        Top-1 with Wilson's interval, the others with that of 1,000 resamples.

    Raises:
        ValueError: if no image is of known class, a label is outside the classes, or a logit is
            not finite.

    Example:
        >>> from instdisc.types import About
        >>> records = score_records("toy", 9 * torch.eye(3), torch.arange(3), Run(About()))
        >>> [(record.metric, round(record.value, 1)) for record in records]
        [('top-1', 100.0), ('mean per class', 100.0), ('ECE', 0.0)]
    """
    rows = check_labels(labels, logits.shape[1], "test")
    logits, labels = logits[rows].float().cpu(), labels[rows].cpu()
    if not logits.isfinite().all():
        raise ValueError(
            f"the logits of task {task!r} on {run.about.dataset!r} are not finite: the training "
            "diverged. Lower the learning rate."
        )
    confidences, guesses = logits.softmax(1).max(1)
    save_classes(
        predictions,
        [names[row] for row in rows.tolist()] if len(names) else (),
        labels,
        guesses,
        confidences,
    )
    top = share_record(task, "top-1", guesses == labels, run)
    others = bootstrap_records(
        task,
        {
            "mean per class": lambda guessed, true, _: mean_per_class_accuracy(guessed, true),
            "ECE": lambda guessed, true, sure: calibration_error(sure, guessed == true),
        },
        [guesses, labels, confidences],
        run,
        lower=["ECE"],
    )
    return [top, *others]


def save_classes(
    path: str | Path | None,
    names: Sequence[str],
    labels: Tensor,
    guesses: Tensor,
    confidences: Tensor | None = None,
) -> None:
    """Keeps the prediction of each image.

    Args:
        path: a ``.npz`` file; ``None``: nothing is kept.
        names: of the N images; empty: their positions.
        labels: ``(N,)`` int64.
        guesses: ``(N,)`` int64 predicted classes.
        confidences: ``(N,)`` in [0, 1]; ``None``: unknown, kept as NaN.
    """
    if path is None:
        return
    if confidences is None:
        confidences = torch.full(labels.shape, torch.nan)
    save_predictions(
        path,
        {
            "image": list(names) or [str(row) for row in range(len(labels))],
            "label": labels,
            "prediction": guesses,
            "confidence": confidences.float(),
        },
    )
