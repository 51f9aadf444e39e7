"""Metrics: numbers from predictions, over a test set and by resampling it."""

import torch

from instdisc.metrics import coco_average_precision
from instdisc.types import Detections, Objects

from .. import sorts
from ..calls import Call
from ..documented import documented, written
from ..sorts import LABELS, OBJECT, number, sequence, tensor, whole

ERRORS = tensor(finite=True).without("more_dimensions")  # (..., N)
NANS = tensor().also(inf_inside=lambda good: torch.full_like(good, torch.inf))
COUNTS = LABELS.without("float", "half_float", "more_dimensions").also(
    negative=lambda good: good - 9, wide=lambda good: good[..., 1:]
)
PREDICTIONS = LABELS.also(other_length=lambda good: good[..., 1:], negative=lambda good: good - 9)
TRUTH = PREDICTIONS.also(column=lambda good: good[:, None], flags=lambda good: good > 0)
BANK = tensor(finite=True).also(
    width=lambda good: good[:, 1:], zeros=lambda good: torch.zeros_like(good)
)


def box() -> torch.Tensor:
    return torch.tensor([[0.0, 0.0, 8.0, 8.0]])


def true() -> Objects:
    no = torch.zeros(1, dtype=torch.bool)
    return Objects(box(), torch.tensor([0]), None, no, no)


def guess() -> Detections:
    return Detections(box(), torch.tensor([0]), torch.tensor([0.9]), None)


def matches() -> dict:
    return {"matches": coco_average_precision([guess()], [true()], num_classes=1).matches}


def rows(count: int = 4) -> torch.Tensor:
    return torch.arange(count, dtype=torch.float32) / 10


FIELDS = {
    "boxes": lambda good: good._replace(boxes=good.boxes[:, 1:]),
    "not_finite_boxes": lambda good: good._replace(boxes=good.boxes * torch.nan),
    "label_beyond": lambda good: good._replace(labels=good.labels + 9),
    "float_labels": lambda good: good._replace(labels=good.labels.float()),
    "too_many_labels": lambda good: good._replace(labels=good.labels.repeat(2)),
    "no_boxes": lambda good: good._replace(boxes=None),
}
IMAGES = sequence(OBJECT, empty=True).also(
    **{kind: lambda good, spoil=spoil: [spoil(good[0])] for kind, spoil in FIELDS.items()}
)
FOUND = IMAGES.also(nan_score=lambda good: [good[0]._replace(scores=good[0].scores * torch.nan)])

CALLS: list[Call] = [
    *documented(
        "instdisc.metrics",
        *("accuracy", "mean_per_class_accuracy"),
        predictions=PREDICTIONS,
        labels=TRUTH,
    ),
    *documented(
        "instdisc.metrics",
        *("calibration_error", "rms_calibration_error", "aurra"),
        confidences=tensor(finite=True).also(above_1=lambda good: good + 1),
    ),
    *documented("instdisc.metrics", "brier_score", "negative_log_likelihood", "fit_temperature"),
    *documented("instdisc.metrics", "CalibrationError", "MeanPerClassAccuracy", "KNNAccuracy"),
    *documented(
        "instdisc.metrics",
        "knn_scores",
        features=BANK.without("empty"),  # no query gives no row
        bank=BANK,
        bank_labels=LABELS.also(beyond=lambda good: good + 9, unknown=lambda good: good - 9),
    ),
    *documented(
        "instdisc.metrics",
        *("bootstrap_interval", "bootstrap_difference"),
        columns=sequence(OBJECT).also(nan=lambda good: [good[0] * torch.nan]),
        columns_a=sequence(OBJECT),
        columns_b=sequence(OBJECT),
    ),
    *documented("instdisc.metrics", "percentiles"),
    *documented("instdisc.metrics", "wilson_interval", "t_interval", count=whole(1)),
    written(
        "instdisc.metrics.draw_images",
        lambda: {"count": 4, "num_resamples": 2, "seed": 0, "at_once": 1},
    ),
    *documented("instdisc.metrics", "class_iou", "mean_iou", "pixel_accuracy", matrix=COUNTS),
    *documented(
        "instdisc.metrics",
        "confusion_matrix",
        predictions=LABELS.without("more_dimensions").also(beyond=lambda good: good + 9),
        labels=LABELS.also(beyond=lambda good: good + 9),
        ignored=whole(None),
    ),
    *documented("instdisc.metrics", "SegmentationScores", ignored=whole(None)),
    *documented(
        "instdisc.metrics",
        *("failure_rate", "area_under_curve"),
        errors=ERRORS.also(negative=lambda good: -1 - good),
        threshold=sorts.POSITIVE,
    ),
    *documented("instdisc.metrics", "cumulative_errors"),
    written("instdisc.metrics.mean_error", lambda: {"errors": rows()}, errors=ERRORS),
    *documented("instdisc.metrics", "image_errors", errors=NANS),
    written(
        "instdisc.metrics.point_errors",
        lambda: {"errors": rows()[None], "visible": torch.ones(1, 4, dtype=torch.bool)},
        errors=NANS,
    ),
    # Where an eye is hidden its distance is NaN.
    *documented("instdisc.metrics", "landmark_errors", distances=tensor()),
    *documented("instdisc.metrics", "ImageRows"),
    written(
        "instdisc.metrics.ImageTable",
        lambda: {"columns": {"a": torch.ones(2)}},
        columns=OBJECT,
    ),
    written(
        "instdisc.metrics.ImageList",
        lambda: {"images": []},
        images=OBJECT.without("list", "mapping", "tensor").also(numbers=[3]),
    ),
    *documented("instdisc.metrics", "COCOAveragePrecision", "VOCAveragePrecision"),
    *documented("instdisc.metrics", "DetectionStore"),
    *documented(
        "instdisc.metrics",
        *("coco_average_precision", "voc_average_precision"),
        detections=FOUND,
        objects=IMAGES,
        areas=sorts.optional(sequence(OBJECT)),
        thresholds=sequence(number(at_least=0, below=1)),
    ),
    *documented("instdisc.metrics", "encode_masks", masks=tensor(torch.bool, empty=True)),
    written(
        "instdisc.metrics.average_precisions",
        lambda: {**matches(), "times": torch.ones(1, 1)},
        times=sorts.optional(tensor(finite=True, empty=True)).without("uint8", "int64"),
    ),
    written("instdisc.metrics.bootstrap_average_precision", matches),
]
EXEMPT = {
    "instdisc.metrics.LandmarkErrors": "it is made without arguments",
    "instdisc.metrics.Interval": "a result: two numbers, NaN where there is none",
    **dict.fromkeys(
        [
            *("instdisc.metrics.COCOResult", "instdisc.metrics.VOCResult"),
            *("instdisc.metrics.SegmentationResult", "instdisc.metrics.DetectionMatches"),
            *("instdisc.metrics.ImageResults", "instdisc.metrics.RunLengths"),
        ],
        "a result that the metrics give back",
    ),
    "instdisc.metrics.decode_masks": "undoes `encode_masks`, whose result alone it takes",
    "instdisc.metrics.score_images": "takes the images of a `DetectionStore` alone",
}
