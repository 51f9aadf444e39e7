"""What a classifier is worth on a test set, as records.

Legend: N images, C classes.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from instdisc.metrics import (
    accuracy,
    calibration_error,
    mean_per_class_accuracy,
)
from instdisc.types import Record

from .intervals import bootstrap_records
from .labelled import check_labels


def score_records(
    task: str,
    logits: Tensor,
    labels: Tensor,
    *,
    dataset: str,
    method: str,
    checkpoint: str,
    seed: int,
    seconds: float,
    settings: dict[str, Any],
) -> list[Record]:
    """Top-1, mean per class and ECE (15 bins) in percent, each with a bootstrap interval.

    Args:
        task: name of the task.
        logits: ``(N, C)``.
        labels: ``(N,)`` int64; images of unknown class (-1) are left out.
        dataset: see `Record`, like the rest.
        method: see `Record`.
        checkpoint: see `Record`.
        seed: see `Record`; of the resampling, too.
        seconds: see `Record`.
        settings: see `Record`.

    Returns:
        Three records; their interval is half of the 95 % percentile interval of 1,000 resamples.

    Raises:
        ValueError: if no image is of known class, a label is outside the classes, or a logit is
            not finite.

    Example:
        >>> import torch
        >>> about = {"dataset": "toy", "method": "identity", "checkpoint": "", "seed": 0}
        >>> records = score_records("toy", 9 * torch.eye(3), torch.arange(3), seconds=0.0,
        ...     settings={}, **about)
        >>> [(record.metric, round(record.value, 1)) for record in records]
        [('top-1', 100.0), ('mean per class', 100.0), ('ECE', 0.0)]
    """
    known = check_labels(labels, logits.shape[1], "test")
    logits, labels = logits[known].float().cpu(), labels[known].cpu()
    if not logits.isfinite().all():
        raise ValueError(
            f"the logits of task {task!r} on {dataset!r} are not finite: the training diverged. "
            "Lower the learning rate."
        )
    confidences, predictions = logits.softmax(1).max(1)
    statistics = {
        "top-1": lambda guessed, true, _: accuracy(guessed, true),
        "mean per class": lambda guessed, true, _: mean_per_class_accuracy(guessed, true),
        "ECE": lambda guessed, true, sure: calibration_error(sure, guessed == true),
    }
    return bootstrap_records(
        task,
        statistics,
        [predictions, labels, confidences],
        dataset=dataset,
        method=method,
        checkpoint=checkpoint,
        seed=seed,
        seconds=seconds,
        settings=settings,
    )
