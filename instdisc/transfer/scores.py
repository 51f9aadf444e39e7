"""What a classifier is worth on a test set, as records.

Legend: N images, C classes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.metrics import (
    aurra,
    brier_score,
    calibration_error,
    fit_temperature,
    mean_per_class_accuracy,
    negative_log_likelihood,
    rms_calibration_error,
)
from instdisc.metrics.inputs import check_confidences
from instdisc.predictions import save_predictions
from instdisc.records import Run
from instdisc.types import Record

from .intervals import bootstrap_records, share_record
from .labelled import check_labels

_log = logging.getLogger(__name__)


@checked_call()
def score_records(
    task: str,
    logits: Tensor,
    labels: Tensor,
    run: Run,
    *,
    names: Sequence[str] = (),
    predictions: str | Path | None = None,
    validation: tuple[Tensor, Tensor] | None = None,
) -> list[Record]:
    """How often a classifier is right and whether it knows how sure it may be, with intervals.

    In percent: top-1, mean per class, ECE (15 bins), RMS calibration error (bins of 100) and
    AURRA; then the Brier score (0 to 2) and the negative log-likelihood in nats.

    Args:
        task: name of the task.
        logits: ``(N, C)``.
        labels: ``(N,)`` int64; images of unknown class (-1) are left out.
        run: what the records of the run have in common; its seed resamples.
        names: of the N images, for the predictions.
        predictions: a ``.npz`` file for ``image``, ``label``, ``prediction``, ``confidence``,
            ``probability`` (of the label) and, where a temperature was fitted,
            ``tempered_confidence`` of each image; ``None``: none.
        validation: logits ``(M, C)`` and labels ``(M,)`` of images that the classifier was not
            trained on. A temperature is fitted on them (see `fit_temperature`), and the ECE with
            it comes last, as ``"ECE, tempered"``; the temperature stands in its settings. Where
            none is best, e.g. because all of them are classified right, that is logged as a
            warning, and the record left out.

    Returns:
        Top-1 with Wilson's interval, the others with that of 1,000 resamples.

    Raises:
        ValueError: if no image is of known class, a label is outside the classes, or a logit is
            not finite.

    Example:
        >>> from instdisc.types import About
        >>> records = score_records("toy", 9 * torch.eye(3), torch.arange(3), Run(About()))
        >>> [(record.metric, round(record.value, 1)) for record in records[:3]]
        [('top-1', 100.0), ('mean per class', 100.0), ('ECE', 0.0)]
        >>> [record.metric for record in records[3:]]
        ['RMS calibration error', 'AURRA', 'Brier score', 'NLL']
    """
    checks.dtype("logits", checks.shape("logits", logits, ("N", "C")), checks.FLOATS)
    _check_truth("labels", labels, "logits", logits)
    if len(names) not in (0, len(labels)):
        checks.refuse("names", f"as many as there are `logits`, {len(labels)}", list(names))
    if validation is not None:
        table = checks.shape("validation", validation[0], ("M", logits.shape[1]))
        _check_truth("validation", validation[1], "validation", table)
    rows = check_labels(labels, logits.shape[1], "labels")
    logits, labels = logits[rows].float().cpu(), labels[rows].cpu()
    if not logits.isfinite().all():
        raise ValueError(
            f"`logits` must be finite, those of task {task!r} on {run.about.dataset!r} are not: "
            "the training diverged. Lower the learning rate."
        )
    probabilities = logits.softmax(1)
    confidences, guesses = probabilities.max(1)
    hits = guesses == labels
    temperature = None if validation is None else _temperature(task, run, *validation)
    tempered = None if temperature is None else (logits / temperature).softmax(1).amax(1)
    save_classes(
        predictions,
        [names[row] for row in rows.tolist()] if len(names) else (),
        labels,
        guesses,
        confidences,
        probabilities.gather(1, labels[:, None])[:, 0],
        tempered,
    )
    records = [
        share_record(task, "top-1", hits, run),
        *bootstrap_records(
            task,
            {"mean per class": lambda guessed, true: mean_per_class_accuracy(guessed, true)},
            [guesses, labels],
            run,
        ),
        *confidence_records(task, confidences, hits, run),
    ]
    for metric, unit, values in (
        ("Brier score", "", brier_score(probabilities, labels, reduction="none")),
        ("NLL", "nats", negative_log_likelihood(logits, labels, reduction="none")),
    ):
        records += bootstrap_records(
            task, {metric: lambda each: each.mean(1)}, [values], run, lower=[metric], unit=unit
        )
    if tempered is not None:
        with_it = run._replace(settings={**run.settings, "temperature": temperature})
        records += bootstrap_records(
            task,
            {"ECE, tempered": calibration_error},
            [tempered, hits],
            with_it,
            lower=["ECE, tempered"],
        )
    return records


@checked_call()
def confidence_records(task: str, confidences: Tensor, hits: Tensor, run: Run) -> list[Record]:
    """What confidences are worth: ECE, RMS calibration error and AURRA in percent.

    Args:
        task: name of the task.
        confidences: ``(N,)`` in [0, 1], the probability of the predicted class.
        hits: ``(N,)`` bool, whether the prediction is right.
        run: what the records have in common; its seed resamples.

    Example:
        >>> from instdisc.types import About
        >>> sure, right = torch.tensor([0.9, 0.8]), torch.tensor([True, False])
        >>> records = confidence_records("toy", sure, right, Run(About()))
        >>> [round(record.value, 1) for record in records]
        [45.0, 35.0, 75.0]
    """
    check_confidences(checks.shape("confidences", confidences, ("N",)), hits)
    return bootstrap_records(
        task,
        {
            "ECE": calibration_error,
            "RMS calibration error": rms_calibration_error,
            "AURRA": aurra,
        },
        [confidences, hits],
        run,
        lower=["ECE", "RMS calibration error"],
    )


def _check_truth(name: str, labels: Tensor, of: str, logits: Tensor) -> None:
    checks.same_length(name, checks.dtype(name, labels, torch.int64), of, logits)
    checks.shape(name, labels, ("N",))
    if not len(labels):
        checks.refuse(of, f"of at least one image, like `{name}`", logits)


def _temperature(task: str, run: Run, logits: Tensor, labels: Tensor) -> float | None:
    rows = check_labels(labels, logits.shape[1], "validation")
    try:
        return fit_temperature(logits[rows].cpu().double(), labels[rows].cpu())
    except ValueError as error:
        _log.warning("no temperature for %s on %s: %s", task, run.about.dataset, error)
        return None


def save_classes(
    path: str | Path | None,
    names: Sequence[str],
    labels: Tensor,
    guesses: Tensor,
    confidences: Tensor | None = None,
    probabilities: Tensor | None = None,
    tempered: Tensor | None = None,
) -> None:
    """Keeps the prediction of each image.

    Args:
        path: a ``.npz`` file; ``None``: nothing is kept.
        names: of the N images; empty: their positions.
        labels: ``(N,)`` int64.
        guesses: ``(N,)`` int64 predicted classes.
        confidences: ``(N,)`` in [0, 1]; ``None``: unknown, kept as NaN.
        probabilities: ``(N,)`` of the labels; ``None``: unknown, not kept.
        tempered: ``(N,)`` confidences after temperature scaling; ``None``: not kept.
    """
    if path is None:
        return
    if confidences is None:
        confidences = torch.full(labels.shape, torch.nan)
    more = {"probability": probabilities, "tempered_confidence": tempered}
    save_predictions(
        path,
        {
            "image": list(names) or [str(row) for row in range(len(labels))],
            "label": labels,
            "prediction": guesses,
            "confidence": confidences.float(),
            **{name: column.float() for name, column in more.items() if column is not None},
        },
    )
