"""The few types that cross a border between parts of the library.

Legend: B batch, K queue length, D width, V views, N objects, C classes, H x W size of an image,
P points, S side of a square view.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from torch import Tensor

UNKNOWN_LABEL = -1
IGNORED_CLASS = 255  # of a pixel that neither trains nor counts


class Views(NamedTuple):
    """A batch of views: what data hands to a method.

    Any tuple that begins ``(sequence of tensors, labels)`` works in its place, so lightly's
    loaders do.

    Attributes:
        images: V tensors ``(B, 3, H, W)``, float, normalised; ``images[v][b]`` is view v of
            image b.
        labels: ``(B,)`` int64 class indices; ``-1`` where the class is unknown.
        indices: ``(B,)`` int64 positions in the data set.
    """

    images: list[Tensor]
    labels: Tensor
    indices: Tensor


class Bank(NamedTuple):
    """Stored keys: what a queue hands to a loss.

    Attributes:
        features: ``(K, D)`` float, one unit-length key per row.
        labels: ``(K,)`` int64 class of each key; ``-1`` where it is unknown.
    """

    features: Tensor
    labels: Tensor


class Objects(NamedTuple):
    """What is in one image: what data hands to a detector as the truth.

    Attributes:
        boxes: ``(N, 4)`` float32 left, top, right, bottom in pixels. Pixel i spans i to i + 1, so
            a box's width is right - left.
        labels: ``(N,)`` int64 classes, 0 to C - 1; the background has none.
        masks: ``(N, H, W)`` bool, or ``None`` where the data set has no masks.
        difficult: ``(N,)`` bool; trained on, and ignored by the evaluation (PASCAL VOC).
        crowd: ``(N,)`` bool; one box or mask around many objects, which is left out of training
            and ignored by the evaluation (COCO).
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor | None
    difficult: Tensor
    crowd: Tensor


class ObjectBatch(NamedTuple):
    """Images with their objects: what data hands to a detector.

    Attributes:
        images: ``(B, 3, H, W)`` uint8 RGB; each is resized, and padded on the right and below.
        sizes: ``(B, 2)`` int64 height and width of each image without the padding.
        objects: of each image, in its pixels as they stand in `images`; masks are
            ``(N, H, W)`` with the padding.
        indices: ``(B,)`` int64 positions in the data set.
        original_sizes: ``(B, 2)`` int64 height and width before the resizing.
    """

    images: Tensor
    sizes: Tensor
    objects: list[Objects]
    indices: Tensor
    original_sizes: Tensor


class Detections(NamedTuple):
    """What a detector finds in one image, best first.

    Attributes:
        boxes: ``(N, 4)`` float32 as in `Objects`.
        labels: ``(N,)`` int64 classes, 0 to C - 1.
        scores: ``(N,)`` float32 between 0 and 1.
        masks: ``(N, H, W)`` bool, or ``None``.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: Tensor | None


class SegmentBatch(NamedTuple):
    """Images with a class for each pixel: what data hands to a segmenter.

    Attributes:
        images: ``(B, 3, H, W)`` uint8 RGB; each is padded on the right and below.
        masks: ``(B, H, W)`` uint8 classes, 0 to C - 1; 255 = ignored, as the padding is.
        sizes: ``(B, 2)`` int64 height and width of each image without the padding.
        indices: ``(B,)`` int64 positions in the data set.
    """

    images: Tensor
    masks: Tensor
    sizes: Tensor
    indices: Tensor


class LandmarkBatch(NamedTuple):
    """Views of images with their points: what data hands to a landmark model.

    Points that lie outside keep their place: they are masked, never clamped.

    Attributes:
        images: ``(B, 3, S, S)`` float, normalised; or ``(B, ...)`` features of such views.
        points: ``(B, P, 2)`` float32 x, y in pixels of the view, where pixel i spans i to i + 1.
        inside: ``(B, P)`` bool, whether a point is to be learnt from: it counts (next line) and
            the view shows its place.
        visible: ``(B, P)`` bool, whether a point counts for the score: its place is in the image,
            and the data set does not call it hidden.
        boxes: ``(B, 4)`` float32 left, top, right, bottom of what the view shows, in pixels of the
            image; it may reach beyond the image.
        indices: ``(B,)`` int64 positions in the data set.
    """

    images: Tensor
    points: Tensor
    inside: Tensor
    visible: Tensor
    boxes: Tensor
    indices: Tensor


class Record(NamedTuple):
    """One result: what a task hands to a report, one JSON line each.

    Attributes:
        task: what was done, e.g. ``"knn"``.
        dataset: on what, e.g. ``"scenes"``.
        metric: what ``value`` is, e.g. ``"top-1"``.
        value: the result, in ``unit``.
        ci: half width of its 95 % confidence interval in ``unit``, or ``None`` if not known.
        unit: e.g. ``"%"``.
        method: how the backbone was pretrained, e.g. ``"MoCoModule"`` or ``"random"``.
        checkpoint: the file it came from, or ``""``.
        seed: the task's random seed.
        seconds: wall-clock time the task took.
        settings: everything else needed to repeat it; JSON values only.

    Example:
        >>> record = Record("knn", "scenes", "top-1", 71.5, 1.2, "%", "MoCo", "", 0, 3.1, {"k": 20})
        >>> Record.from_json(record.to_json()) == record
        True
    """

    task: str
    dataset: str
    metric: str
    value: float
    ci: float | None
    unit: str
    method: str
    checkpoint: str
    seed: int
    seconds: float
    settings: dict[str, Any]

    def to_json(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: if the line is not JSON, or its fields are not those of a record.
        """
        fields = json.loads(line)
        if not isinstance(fields, dict) or set(fields) != set(cls._fields):
            raise ValueError(
                f"`line` must be a JSON object with the fields {list(cls._fields)}, "
                f"got {line[:200]!r}"
            )
        return cls(**fields)
