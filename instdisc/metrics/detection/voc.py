"""Average precision of PASCAL VOC.

Legend: N detections, M objects, C classes, T overlap thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.types import Detections, Objects

from .matches import DetectionMatches, average_precisions
from .tables import ImageResults, ImageTables

Rule = Literal["eleven_points", "every_point"]
Levels = Literal["detectron2", "devkit"]
VOC_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))


class VOCResult:
    """Average precisions in [0, 1]. No tuple: torchmetrics would squeeze a table of one number.

    Args:
        per_class: ``(T, C)`` float64; NaN for a class without objects that count.
        matches: of detections and objects, for `bootstrap_average_precision`.
    """

    @checked_call()
    def __init__(self, per_class: Tensor, matches: DetectionMatches) -> None:
        self.per_class = per_class
        self.matches = matches
        self.thresholds = matches.thresholds

    def mean(self, threshold: float | None = None) -> float:
        """Over the classes that have objects, at one threshold or over all of them.

        Raises:
            ValueError: if `threshold` is none of those that were scored.
        """
        rows = self.per_class
        if threshold is not None:
            checks.choice("threshold", threshold, self.thresholds)
            rows = rows[self.thresholds.index(threshold)]
        return float(rows.nanmean())


@checked_call()
def voc_average_precision(
    detections: Sequence[Detections],
    objects: Sequence[Objects],
    *,
    num_classes: int,
    rule: Rule = "eleven_points",
    levels: Levels = "detectron2",
    thresholds: Sequence[float] = VOC_THRESHOLDS,
) -> VOCResult:
    """Average precision of every class at every overlap.

    The detections of a class go by their score. Each looks at the object of its class that it
    overlaps most. It is right if the overlap is above the threshold and no better detection had
    that object; it does not count if the object is difficult; else it is wrong. With precision
    p(r) the largest one at a recall of r or more,

        eleven_points: AP = mean of p(0), p(0.1), ..., p(1)
        every_point:   AP = integral of p over the recall

    Args:
        detections: of each image.
        objects: of the same images. Crowds count like difficult objects.
        num_classes: C.
        rule: ``"eleven_points"`` (VOC 2007) or ``"every_point"`` (VOC 2010 and later).
        levels: of recall, for ``"eleven_points"``. ``"detectron2"``: those of published tables,
            where floating point puts three of them above 3 / 10, 6 / 10 and 7 / 10, so that a
            recall of exactly that misses its level. ``"devkit"``: the tenths that the devkit
            asks for, which such a recall reaches.
        thresholds: T overlaps (intersection over union), to be exceeded.

    Raises:
        TypeError: see `DetectionStore`.
        ValueError: see `DetectionStore`; if `rule` or `levels` is unknown, `levels` is chosen
            for ``"every_point"``, or `thresholds` is empty or leaves [0, 1).

    Source:
        Everingham et al., "The PASCAL VOC Challenge" (2010), section 4.2; detectron2's VOC
        evaluation, which takes the rule of 2007 at each of .5:.05:.95 and reports their mean as
        AP, as MoCo's tables do. The devkit counts pixels: a box from pixel a to pixel b is
        b - a + 1 wide. The boxes here end where the next pixel begins, so right - left is the
        same number, and the overlaps are the devkit's. Differs from it: a class without objects
        is left out of the mean, where detectron2 counts 0; its files round scores to 3 digits,
        boxes to 1. Matlab's own tenths are those of "devkit" but for the fourth, which a recall
        of exactly 3 / 10 misses there.

    Example:
        >>> one = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
        >>> no = torch.zeros(1, dtype=torch.bool)
        >>> truth = Objects(one, torch.tensor([0]), None, no, no)
        >>> found = Detections(one, torch.tensor([0]), torch.tensor([0.9]), None)
        >>> voc_average_precision([found], [truth], num_classes=1).mean()
        1.0
    """
    metric = VOCAveragePrecision(num_classes, rule=rule, levels=levels, thresholds=thresholds)
    metric.update(detections, objects, torch.arange(len(objects)))
    return metric.score(metric.images())  # gathers nothing


class VOCAveragePrecision(ImageTables):
    """`voc_average_precision` of a test set that comes in batches, on one or many processes.

    Args:
        num_classes: see `voc_average_precision`.
        rule: see there.
        levels: see there.
        thresholds: see there.

    Raises:
        TypeError, ValueError: see there.

    Example:
        >>> metric = VOCAveragePrecision(20)
        >>> metric.update([], [], torch.zeros(0, dtype=torch.int64))
        >>> metric.compute().per_class.shape
        torch.Size([10, 20])
    """

    @checked_call()
    def __init__(
        self,
        num_classes: int,
        *,
        rule: Rule = "eleven_points",
        levels: Levels = "detectron2",
        thresholds: Sequence[float] = VOC_THRESHOLDS,
    ) -> None:
        super().__init__(num_classes)
        if rule == "every_point" and levels != "detectron2":
            checks.refuse("levels", "left out for `rule`='every_point', which has none", levels)
        if not len(thresholds):
            checks.refuse("thresholds", "of at least one overlap", thresholds)
        for threshold in thresholds:
            checks.finite("thresholds", threshold, at_least=0, below=1)
        self.rule = rule
        self.levels = levels
        self.thresholds = tuple(thresholds)

    def compute(self) -> VOCResult:
        return self.score(self.images())

    def score(self, images: Sequence[ImageResults]) -> VOCResult:
        """`voc_average_precision` of the images of a `DetectionStore`.

        Args:
            images: whatever their number of processes, they are all there is. Of equal scores
                those of an earlier image go first.
        """
        matches = _matches(images, self.num_classes, self.thresholds, self._recalls())
        return VOCResult(average_precisions(matches)[0], matches)

    def _recalls(self) -> Tensor | None:
        if self.rule == "every_point":
            return None
        if self.levels == "devkit":
            return torch.arange(11, dtype=torch.float64) / 10
        return torch.from_numpy(np.arange(0.0, 1.1, 0.1))


def _matches(
    images: Sequence[ImageResults],
    num_classes: int,
    thresholds: tuple[float, ...],
    levels: Tensor | None,
) -> DetectionMatches:
    detections, true = [image.detections for image in images], [image.true for image in images]
    sizes = torch.tensor([len(objects.labels) for objects in true])
    first = sizes.cumsum(0) - sizes  # number of an image's first object
    pairs = [_nearest(*pair) for pair in zip(detections, true, strict=True)]

    def joined(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
        return torch.cat([torch.zeros(0, dtype=dtype), *parts])

    integers = torch.int64
    scores = joined([detected.scores for detected in detections], torch.float64)
    places = torch.arange(len(images))
    counts = torch.tensor([len(detected.scores) for detected in detections], dtype=integers)
    owners = places.repeat_interleave(counts)
    overlaps = joined([overlap for overlap, _ in pairs], torch.float64)
    passed_over = joined([objects.difficult | objects.crowd for objects in true], torch.bool)
    # The number of the object in the whole set; where there is none, no overlap exceeds 0.
    nearest = joined(
        [place + start for (_, place), start in zip(pairs, first, strict=True)], integers
    ).clamp(0, max(0, len(passed_over) - 1))
    order = scores.argsort(descending=True, stable=True)
    right = torch.zeros(len(thresholds), len(scores), dtype=torch.bool)
    ignored = torch.zeros_like(right)
    for row, threshold in enumerate(thresholds):
        hits = overlaps > threshold
        if len(passed_over):
            ignored[row] = hits & passed_over[nearest]
        candidates = order[(hits & ~ignored[row])[order]]
        right[row, candidates[_first_of_each(nearest[candidates])]] = True
    return DetectionMatches(
        num_images=len(images),
        num_classes=num_classes,
        thresholds=thresholds,
        images=owners,
        labels=joined([detected.labels for detected in detections], integers),
        scores=scores,
        right=right,
        ignored=ignored,
        object_images=places.repeat_interleave(sizes.to(integers))[~passed_over],
        object_labels=joined([objects.labels for objects in true], integers)[~passed_over],
        levels=levels,
    )


def _nearest(detections: Detections, true: Objects) -> tuple[Tensor, Tensor]:
    """The largest overlap of each detection with an object of its class, and that object."""
    boxes = detections.boxes.double()
    if not len(true.boxes):
        return boxes.new_zeros(len(boxes)), torch.zeros_like(detections.labels)
    overlaps = box_iou(boxes, true.boxes.double())  # (N, M)
    # Two boxes without area have no overlap; theirs would be 0 / 0.
    overlaps = overlaps.nan_to_num().masked_fill(detections.labels[:, None] != true.labels, -1)
    best, nearest = overlaps.max(1)
    return best.clamp(min=0), nearest


def _first_of_each(owner: Tensor) -> Tensor:
    """Of rows with the same owner, the place of the first."""
    _, group = owner.unique(return_inverse=True)
    first = torch.full((int(group.max()) + 1 if len(group) else 0,), len(owner))
    return first.scatter_reduce(0, group, torch.arange(len(owner)), "amin")
