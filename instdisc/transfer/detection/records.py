"""What a detector found on a test set, as records and as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pycocotools import mask as coco_masks

from instdisc.checks import checked_call, refuse
from instdisc.data import ObjectData
from instdisc.metrics import RunLengths
from instdisc.predictions import save_predictions
from instdisc.records import Run
from instdisc.types import About, Record

from ..history import chosen, training_run
from ..provenance import former_keywords
from ..thumbnails import THUMBNAIL, thumbnail_side
from .evaluation import Evaluation
from .module import DetectionModule
from .shown import shown_columns

# Of COCO's twelve: the others are in the file of results for whoever wants them.
_HEADLINES = ("AP", "AP50", "AP75", "AP small", "AP medium", "AP large")
RESAMPLES = 400


@former_keywords
@checked_call(thumbnail=thumbnail_side)
def run_records(
    module: DetectionModule,
    data: ObjectData,
    about: About | None = None,
    *,
    seconds: float = 0.0,
    settings: Mapping[str, Any] | None = None,
    predictions: str | Path | None = None,
    thumbnail: int = THUMBNAIL,
) -> list[Record]:
    """The records of the last test; module, data and Trainer say how the detector was trained.

    Args:
        module: after a test.
        data: what it was trained and tested on.
        about: what the records say instead of what the module knows.
        seconds: that it took.
        settings: more of them.
        predictions: a ``.npz`` file for `run_predictions`; ``None``: none.
        thumbnail: see `run_predictions`.

    Returns:
        See `detection_records`.

    Raises:
        ValueError: if `module` was not tested.
        TypeError: if `about` is something else.
    """
    result, policy = tested(module), data.policy
    spec = {name: value for name, value in module.detector.spec.items() if name != "num_classes"}
    run = training_run(
        module,
        data,
        about,
        view={
            "short_side": max(policy.short_sides),
            **chosen(policy, "longest_side", "interpolation"),
        },
        settings={
            "iterations": module.history.training.get("steps"),
            **spec,
            **chosen(module, "learning_rate", "momentum", "weight_decay", "warmup", "milestones"),
            **chosen(module, "precise_batches"),
            **chosen(policy, "short_sides", "longest_side", "per_batch", "flip"),
            "num_classes": data.num_classes,
            **(settings or {}),
        },
        seconds=seconds,
    )
    if predictions is not None and module.trainer.is_global_zero:
        save_predictions(predictions, run_predictions(module, data, thumbnail=thumbnail))
    return detection_records(result, data.test.classes, run)


@checked_call(thumbnail=thumbnail_side)
def run_predictions(
    module: DetectionModule, data: ObjectData, *, thumbnail: int = THUMBNAIL
) -> dict[str, Any]:
    """What was found in the last test, for `save_predictions`.

    ``image`` holds the ids of the images; ``boxes`` (left, top, right, bottom in pixels of the
    file), ``labels``, ``scores`` and, with masks, ``areas`` (of the masks, in pixels) the
    detections of all images one after the other, best first, and ``boxes_ends`` and so on where
    those of each image end.

    A few images, the same for every method, are kept as small pictures: ``shown``, their names,
    ``shown_truth``, ``shown_prediction`` and what these show in words, see `picture_columns`.

    Args:
        module: after a test.
        data: what it was tested on.
        thumbnail: longer side of these pictures in pixels; 0 for none.

    Raises:
        ValueError: if `module` was not tested.
    """
    images = tested(module).images
    columns: dict[str, Any] = {
        "image": [data.test.image_ids[image.image] for image in images],
        "boxes": [image.detections.boxes.float().cpu() for image in images],
        "labels": [image.detections.labels.cpu() for image in images],
        "scores": [image.detections.scores.float().cpu() for image in images],
    }
    masks = [image.detection_masks for image in images]
    if all(runs is not None for runs in masks):
        columns["areas"] = [_areas(runs) for runs in masks if runs is not None]
    if thumbnail:
        columns.update(shown_columns(images, data.test, thumbnail))
    return columns


@checked_call()
def detection_records(evaluation: Evaluation, classes: Sequence[str], run: Run) -> list[Record]:
    """Average precisions in percent, first over all classes, then of each.

    Args:
        evaluation: what the test gave. Numbers that are NaN, as of objects of a size that there
            are none of, are left out.
        classes: names of the classes.
        run: what the records have in common; its seed resamples.

    Returns:
        ``"box AP"``, ``"box AP50"``, ...; then ``"box AP, CLASS"`` for each class. AP, AP50 and
        AP75 have a bootstrap interval over the test images, if there are two of them: what other
        images would change. Fine-tuning again with other seeds changes it, too (about 0.2 to 0.4
        AP on VOC in MoCo's tables).

    Example:
        >>> evaluation = Evaluation({"box AP": 50.0}, {"box AP": [70.0, 30.0]}, [])
        >>> records = detection_records(evaluation, ["cat", "dog"], Run(About("mine")))
        >>> [(record.metric, record.value) for record in records]
        [('box AP', 50.0), ('box AP, cat', 70.0), ('box AP, dog', 30.0)]
    """
    wrong = {len(numbers) for numbers in evaluation.per_class.values()} - {len(classes)}
    if wrong:
        refuse("classes", f"as many as `evaluation` has, {wrong.pop()}", list(classes))
    count = len(evaluation.images)
    intervals = evaluation.intervals(num_resamples=RESAMPLES, seed=run.seed) if count > 1 else {}
    values = {
        name: value
        for name, value in evaluation.numbers.items()
        if name.partition(" ")[2] in _HEADLINES
    }
    for name, numbers in evaluation.per_class.items():
        if name.endswith(" AP"):
            for label, value in zip(classes, numbers, strict=True):
                values[f"{name}, {label}"] = value
    return [
        run.record(
            "detection",
            metric,
            value,
            ends=intervals.get(metric),
            interval=f"bootstrap over {count} images, {RESAMPLES} resamples",
            n=count,
        )
        for metric, value in values.items()
        if not math.isnan(value)
    ]


def tested(module: DetectionModule) -> Evaluation:
    """The result of the last test.

    Raises:
        ValueError: if there is none.
    """
    if module.result is None:
        raise ValueError("`module` must have been tested: its `result` is None")
    return module.result


def _areas(runs: RunLengths) -> torch.Tensor:
    rows = [{"size": list(runs.size), "counts": counts} for counts in runs.counts]
    areas = [int(area) for area in coco_masks.area(rows)] if rows else []
    return torch.tensor(areas, dtype=torch.int64)
