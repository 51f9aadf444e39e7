"""Which detections overlap which objects, and by how much: what both diagnoses look at.

Legend: N images, D detections and M objects of all images, P pairs that overlap, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data.left_out import say_once
from instdisc.types import Detections, Objects

from .pairs import box_pairs, mask_pairs
from .rows import ANY_CLASS, Rows, join_rows

Kind = Literal["box", "mask"]
NO_OBJECT = -1


class Best(NamedTuple):
    """Of each detection the object that it overlaps most, among some.

    Attributes:
        iou: ``(D,)`` float64; 0 where there is none.
        object: ``(D,)`` int64; `NO_OBJECT` where there is none.
    """

    iou: np.ndarray
    object: np.ndarray


@checked_call()
class Overlaps(NamedTuple):
    """The detections of a test set, its objects, and every pair of them that overlaps.

    Detections go by image and falling score, so within an image those before another are better.

    Attributes:
        num_images: N.
        num_classes: C.
        least: overlap of a pair.
        places: ``(D,)`` int64 of each detection in the input.
        num_detections: how many the input has; those beyond the most per image are left out.
        images: ``(D,)`` int64.
        labels: ``(D,)`` int64.
        scores: ``(D,)`` float64.
        boxes: ``(D, 4)`` float64.
        object_images: ``(M,)`` int64.
        object_labels: ``(M,)`` int64.
        object_boxes: ``(M, 4)`` float64.
        difficult: ``(M,)`` bool.
        crowd: ``(M,)`` bool.
        detection: ``(P,)`` int64, rising.
        object: ``(P,)`` int64.
        iou: ``(P,)`` float64, above 0, falling for each detection; of crowds the share of the
            detection that lies in it.
    """

    num_images: int
    num_classes: int
    least: float
    places: np.ndarray
    num_detections: int
    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    object_images: np.ndarray
    object_labels: np.ndarray
    object_boxes: np.ndarray
    difficult: np.ndarray
    crowd: np.ndarray
    detection: np.ndarray
    object: np.ndarray
    iou: np.ndarray

    @property
    def same(self) -> np.ndarray:
        """``(P,)`` bool, whether both are of one class."""
        same: np.ndarray = self.labels[self.detection] == self.object_labels[self.object]
        return same

    @property
    def counts(self) -> np.ndarray:
        """``(M,)`` bool, whether an object is neither a crowd nor difficult."""
        counts: np.ndarray = ~(self.difficult | self.crowd)
        return counts

    def best(self, pairs: np.ndarray) -> Best:
        """Of each detection the object that it overlaps most, the first of equals.

        Args:
            pairs: ``(P,)`` bool, those that count.
        """
        rows = np.flatnonzero(pairs)
        rows = rows[np.diff(self.detection[rows], prepend=-1) > 0]  # the first of each detection
        iou, best = np.zeros(len(self.labels)), np.full(len(self.labels), NO_OBJECT)
        iou[self.detection[rows]] = self.iou[rows]
        best[self.detection[rows]] = self.object[rows]
        return Best(iou, best)

    def match(self, pairs: np.ndarray) -> np.ndarray:
        """Matches detections with objects: the best first, each with the object that it overlaps
        most of those that are still free.

        Args:
            pairs: ``(P,)`` bool, those that may be matched.

        Returns:
            ``(D,)`` int64 objects; `NO_OBJECT` where there is none.
        """
        matched, used = [NO_OBJECT] * len(self.labels), bytearray(len(self.object_labels))
        # Pairs go by detection and falling overlap: the first with both ends free is the match.
        for row, place in zip(
            self.detection[pairs].tolist(), self.object[pairs].tolist(), strict=True
        ):
            if not used[place] and matched[row] == NO_OBJECT:
                matched[row] = place
                used[place] = True
        return np.array(matched, dtype=np.int64)

    def ignored(self, threshold: float, matched: np.ndarray, passed_over: np.ndarray) -> np.ndarray:
        """Of each detection whether it is unmatched, and over such an object of its class.

        Args:
            threshold: to be exceeded.
            matched: ``(D,)`` int64, see `match`.
            passed_over: ``(M,)`` bool objects; one of `ANY_CLASS` is of every class.

        Returns:
            ``(D,)`` bool.
        """
        of_any = self.object_labels[self.object] == ANY_CLASS
        pairs = passed_over[self.object] & (self.same | of_any) & (self.iou > threshold)
        out = np.zeros(len(self.labels), dtype=bool)
        out[self.detection[pairs]] = True
        return out & (matched == NO_OBJECT)

    def in_input_order(self, values: np.ndarray, otherwise: int | bool) -> Tensor:
        """``(D,)`` values in the order of the input; what was left out has another value."""
        column = np.full(self.num_detections, otherwise, dtype=values.dtype)
        column[self.places] = values
        return torch.from_numpy(column)


@checked_call()
def find_overlaps(
    detections: Sequence[Detections],
    objects: Sequence[Objects],
    *,
    num_classes: int,
    kind: Kind = "box",
    most: int | None = 100,
    least: float = 0.0,
) -> Overlaps:
    """Every pair of a detection and an object of its image that overlaps, whatever the classes.

    Args:
        detections: of each image.
        objects: of the same images; a crowd of class -1 is one of any class.
        num_classes: C.
        kind: overlap of boxes or of masks, which both must have then.
        most: detections of an image, those with the best scores; ``None`` for all. How many are
            left out is logged once.
        least: overlap of a pair; those below are none.

    Raises:
        TypeError, ValueError: see `join_rows`; if `kind` is unknown, `most` no positive whole
            number, `least` outside [0, 1], or masks are lacking or not of one size.

    Example:
        >>> import torch
        >>> no = torch.zeros(1, dtype=torch.bool)
        >>> box, label = torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([0])
        >>> overlaps = find_overlaps([Detections(box / 2, label, torch.tensor([0.9]), None)],
        ...     [Objects(box, label, None, no, no)], num_classes=1)
        >>> overlaps.iou
        array([0.25])
    """
    checks.share("least", least)
    rows = join_rows(detections, objects, num_classes)
    kept = _best_first(rows, most)
    if kind == "box":
        detection, target, iou = box_pairs(rows, kept)
    else:
        detection, target, iou = mask_pairs(detections, objects, rows, kept)
    near = iou >= least
    detection, target, iou = detection[near], target[near], iou[near]
    order = np.lexsort((-iou, detection))  # of equals the first object stays first
    return Overlaps(
        len(objects),
        num_classes,
        least,
        kept,
        len(rows.labels),
        rows.images[kept],
        rows.labels[kept],
        rows.scores[kept],
        rows.boxes[kept],
        rows.object_images,
        rows.object_labels,
        rows.object_boxes,
        rows.difficult,
        rows.crowd,
        detection[order],
        target[order],
        iou[order],
    )


def _best_first(rows: Rows, most: int | None) -> np.ndarray:
    """Rows of the detections by image and falling score, at most so many of an image."""
    order = np.arange(len(rows.scores))
    falling = (np.diff(rows.scores) <= 0) | (np.diff(rows.images) > 0)
    if not falling.all():  # sorting takes long, and most detectors have done it
        order = np.lexsort((-rows.scores, rows.images))
    if most is None:
        return order
    checks.whole("most", most)
    images = rows.images[order]
    first = np.searchsorted(images, images)
    kept = np.arange(len(order)) - first < most
    if not kept.all():
        say_once(
            f"errors of detections: {int((~kept).sum())} of {len(kept)} detections are left out, "
            f"those beyond the best {most} of an image, first: in image {images[~kept][0]}"
        )
    return order[kept]
