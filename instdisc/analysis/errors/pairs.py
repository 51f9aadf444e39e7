"""Overlaps of boxes and of masks as lists of pairs: most of a table of all pairs would be 0.

Legend: N images, D detections and M objects of all images, P pairs that overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from pycocotools import mask as coco_masks

from instdisc import checks
from instdisc.metrics import encode_masks
from instdisc.types import Detections, Objects

from .rows import Rows

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]
_AT_ONCE = 2**16  # pairs; more do not fit into the cache


def box_pairs(rows: Rows, kept: np.ndarray) -> Pairs:
    """Intersection over union of boxes; over the detection's area for crowds.

    Args:
        rows: of the test set.
        kept: ``(D,)`` int64 rows of the detections that are looked at, by image.

    Returns:
        ``(P,)`` int64 places in `kept`, ``(P,)`` int64 objects, ``(P,)`` float64 above 0.
    """
    images, boxes = rows.images[kept], rows.boxes[kept]
    first = np.searchsorted(rows.object_images, images)
    counts = np.searchsorted(rows.object_images, images, side="right") - first  # (D,)
    areas, object_areas = _areas(boxes), _areas(rows.object_boxes)
    # Columns, since gathering from rows of four takes twice as long.
    sides, object_sides = (np.ascontiguousarray(b.T) for b in (boxes, rows.object_boxes))
    parts = []
    for start, stop in _chunks(counts.cumsum()):
        some = counts[start:stop]
        detection = np.repeat(np.arange(start, stop), some)
        skipped = np.repeat(first[start:stop] - (some.cumsum() - some), some)
        target = np.arange(len(detection)) + skipped
        lengths: list[np.ndarray] = []
        for axis in (0, 1):  # few pairs are left for the second
            ends = np.minimum(sides[axis + 2][detection], object_sides[axis + 2][target])
            length = ends - np.maximum(sides[axis][detection], object_sides[axis][target])
            near = length > 0
            detection, target = detection[near], target[near]
            lengths = [*(other[near] for other in lengths), length[near]]
        shared, area = lengths[0] * lengths[1], areas[detection]
        union = np.where(rows.crowd[target], area, area + object_areas[target] - shared)
        parts.append((detection, target, shared / union))
    return _joined(parts)


def mask_pairs(
    detections: Sequence[Detections],
    objects: Sequence[Objects],
    rows: Rows,
    kept: np.ndarray,
) -> Pairs:
    """Likewise of masks, by pycocotools.

    Args:
        detections: of each image.
        objects: of the same images.
        rows: of both.
        kept: see `box_pairs`.

    Raises:
        TypeError: if masks are not bool.
        ValueError: if an image has detections or objects without masks, or of another size.
    """
    position = np.full(len(rows.labels), -1)
    position[kept] = np.arange(len(kept))
    parts = []
    starts = np.zeros(2, dtype=np.int64)  # of the image's detections and objects
    for place, (detected, true) in enumerate(zip(detections, objects, strict=True)):
        runs = _run_lengths(f"detections[{place}]", detected)
        true_runs = _run_lengths(f"objects[{place}]", true)
        if runs and true_runs:
            if runs[0]["size"] != true_runs[0]["size"]:
                rule = f"{true_runs[0]['size']} in height and width, as those of `objects`"
                checks.refuse(f"detections[{place}].masks", rule, runs[0]["size"])
            crowd = rows.crowd[starts[1] : starts[1] + len(true_runs)].astype(np.uint8)
            table = coco_masks.iou(runs, true_runs, crowd)  # of the image
            near = np.nonzero(table)
            parts.append((near[0] + starts[0], near[1] + starts[1], table[near]))
        starts += (len(runs), len(true_runs))
    detection, target, iou = _joined(parts)
    inside = position[detection] >= 0
    return position[detection][inside], target[inside], iou[inside]


def _run_lengths(name: str, part: Detections | Objects) -> list[dict[str, object]]:
    if part.masks is None:
        checks.refuse(f"{name}.masks", "there for `kind`='mask'", None, "Or take `kind`='box'.")
    masks = checks.shape(f"{name}.masks", part.masks, (len(part.boxes), "H", "W"))
    runs = encode_masks(masks)
    return [{"size": list(runs.size), "counts": counts} for counts in runs.counts]


def _chunks(ends: np.ndarray) -> list[tuple[int, int]]:
    """Detections some at a time, so that their pairs fit into memory."""
    cuts = [0]
    while cuts[-1] < len(ends):
        done = int(ends[cuts[-1] - 1]) if cuts[-1] else 0
        last = int(np.searchsorted(ends, done + _AT_ONCE, side="right"))
        cuts.append(max(cuts[-1] + 1, last))
    return list(pairwise(cuts))


def _areas(boxes: np.ndarray) -> np.ndarray:
    areas: np.ndarray = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return areas


def _joined(parts: Sequence[Pairs]) -> Pairs:
    nothing = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    detection, target, iou = (
        np.concatenate(column) for column in zip(nothing, *parts, strict=True)
    )
    return detection, target, iou
