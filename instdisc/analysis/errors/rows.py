"""Detections and objects of a test set as long columns, checked.

Legend: N images, D detections and M objects of all images, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.types import Detections, Objects

ANY_CLASS = -1  # of a crowd: detections of every class in it are passed over


class Rows(NamedTuple):
    """All images one after the other.

    Attributes:
        images: ``(D,)`` int64, 0 to N - 1, rising.
        boxes: ``(D, 4)`` float64 left, top, right, bottom.
        labels: ``(D,)`` int64.
        scores: ``(D,)`` float64.
        object_images: ``(M,)`` int64, rising.
        object_boxes: ``(M, 4)`` float64.
        object_labels: ``(M,)`` int64.
        difficult: ``(M,)`` bool.
        crowd: ``(M,)`` bool.
    """

    images: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    object_images: np.ndarray
    object_boxes: np.ndarray
    object_labels: np.ndarray
    difficult: np.ndarray
    crowd: np.ndarray


def join_rows(
    detections: Sequence[Detections], objects: Sequence[Objects], num_classes: int
) -> Rows:
    """Checks a test set and joins its images.

    Args:
        detections: of each image.
        objects: of the same images; a crowd may be of `ANY_CLASS`.
        num_classes: C.

    Raises:
        TypeError: if a part is no tensor or of another kind of number.
        ValueError: if the lists differ in length, or so do the rows of an image; a box or score is
            not finite; an object's box ends before it begins; a label is no class; or no object
            counts: all are crowds or difficult. It names the image by its place.

    Example:
        >>> none = torch.zeros(0, dtype=torch.bool)
        >>> empty = Objects(torch.zeros(0, 4), torch.zeros(0).long(), None, none, none)
        >>> join_rows([], [empty], 3)
        Traceback (most recent call last):
        ValueError: `detections` must be of the 1 images of `objects`, got 0
    """
    checks.whole("num_classes", num_classes)
    if len(detections) != len(objects):
        checks.refuse("detections", f"of the {len(objects)} images of `objects`", len(detections))
    images, boxes, labels = _join("detections", detections)
    scores = _column("detections", detections, "scores", images)
    object_images, object_boxes, object_labels = _join("objects", objects)
    marks = [
        _column("objects", objects, mark, object_images, torch.bool)
        for mark in ("difficult", "crowd")
    ]
    difficult, crowd = marks
    _refuse_row(
        "objects", "boxes", (object_boxes[:, 2:] < object_boxes[:, :2]).any(1),
        object_images, object_boxes, "left, top, right, bottom",
    )  # fmt: skip
    classes = f"classes, 0 to {num_classes - 1}"
    for name, owners, column, lowest in (
        ("detections", images, labels, torch.zeros_like(labels)),
        ("objects", object_images, object_labels, torch.where(crowd, ANY_CLASS, 0)),
    ):
        wrong = (column < lowest) | (column >= num_classes)
        _refuse_row(name, "labels", wrong, owners, column, classes)
    if not len(object_labels) or bool((difficult | crowd).all()):
        rule = "at least one that is neither a crowd nor difficult"
        checks.refuse("objects", rule, f"{len(object_labels)} in {len(objects)} images")
    columns = (
        *(images, boxes.double(), labels, scores.double()),
        *(object_images, object_boxes.double(), object_labels, difficult, crowd),
    )
    return Rows(*(column.cpu().numpy() for column in columns))


def _join(
    name: str, parts: Sequence[Detections] | Sequence[Objects]
) -> tuple[Tensor, Tensor, Tensor]:
    """Images ``(R,)``, boxes ``(R, 4)`` and labels ``(R,)`` of all images' R rows."""
    for place, part in enumerate(parts):
        if not isinstance(part, Detections | Objects):
            checks.refuse(
                f"{name}[{place}]", "Detections or Objects of an image", part, kind=TypeError
            )
    columns = _boxes(parts)
    for place, boxes in enumerate(columns):
        # Asked in short first: thousands of checks in words would take longer than the rest.
        if not isinstance(boxes, Tensor) or boxes.ndim != 2 or boxes.shape[1] != 4:
            checks.shape(f"{name}[{place}].boxes", boxes, ("N", 4))
        if boxes.dtype not in checks.FLOATS:
            checks.dtype(f"{name}[{place}].boxes", boxes, checks.FLOATS)
    counts = torch.tensor([boxes.shape[0] for boxes in columns], dtype=torch.int64)
    images = torch.arange(len(parts)).repeat_interleave(counts)
    joined = torch.cat([torch.zeros(0, 4), *columns]).cpu()
    _refuse_row(name, "boxes", ~joined.isfinite().all(1), images, joined, "finite")
    return images, joined, _column(name, parts, "labels", images, torch.int64)


def _column(
    name: str,
    parts: Sequence[Detections] | Sequence[Objects],
    field: str,
    images: Tensor,
    kind: torch.dtype | None = None,
) -> Tensor:
    """One number for each row of all images."""
    kinds = checks.FLOATS if kind is None else (kind,)
    columns = [getattr(part, field) for part in parts]
    for place, (column, boxes) in enumerate(zip(columns, _boxes(parts), strict=True)):
        rows = boxes.shape[:1]
        if not isinstance(column, Tensor) or column.shape != rows:
            checks.shape(f"{name}[{place}].{field}", column, rows)
        if column.dtype not in kinds:
            checks.dtype(f"{name}[{place}].{field}", column, kinds)
    empty = torch.zeros(0, dtype=torch.float32 if kind is None else kind)
    joined = torch.cat([empty, *columns]).cpu()
    if joined.is_floating_point():
        _refuse_row(name, field, ~joined.isfinite(), images, joined, "finite")
    return joined


def _boxes(parts: Sequence[Detections] | Sequence[Objects]) -> list[Tensor]:
    return [part.boxes for part in parts]


def _refuse_row(
    name: str, field: str, wrong: Tensor, images: Tensor, values: Tensor, rule: str
) -> None:
    rows = wrong.nonzero()[:, 0]
    if len(rows):
        row = int(rows[0])
        checks.refuse(f"{name}[{int(images[row])}].{field}", rule, values[row].tolist())
