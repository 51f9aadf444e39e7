"""Average precision of PASCAL VOC.

Legend: N detections, M objects, C classes, T overlap thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torchvision.ops import box_iou

from instdisc.types import Detections, Objects

from .rows import RowMetric, check_classes, check_num_classes, check_pairs, empty_rows

Rule = Literal["eleven_points", "every_point"]
VOC_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))


class VOCResult:
    """Average precisions in [0, 1]. No tuple: torchmetrics would squeeze a table of one number.

    Args:
        per_class: ``(T, C)`` float64; NaN for a class without objects that count.
        thresholds: the T overlaps.
    """

    def __init__(self, per_class: Tensor, thresholds: tuple[float, ...]) -> None:
        self.per_class = per_class
        self.thresholds = thresholds

    def mean(self, threshold: float | None = None) -> float:
        """Over the classes that have objects, at one threshold or over all of them."""
        rows = self.per_class
        if threshold is not None:
            rows = rows[self.thresholds.index(threshold)]
        return float(rows.nanmean())


def voc_average_precision(
    detections: Sequence[Detections],
    objects: Sequence[Objects],
    *,
    num_classes: int,
    rule: Rule = "eleven_points",
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
        thresholds: T overlaps (intersection over union), to be exceeded.

    Raises:
        ValueError: if the lists differ in length, a label is no class, `rule` is unknown, or
            `thresholds` is empty or leaves [0, 1).

    Source:
        Everingham et al., "The PASCAL VOC Challenge" (2010), section 4.2; detectron2's VOC
        evaluation, which takes the rule of 2007 at each of .5:.05:.95 and reports their mean as
        AP, as MoCo's tables do. The devkit counts pixels: a box from pixel a to pixel b is
        b - a + 1 wide. The boxes here end where the next pixel begins, so right - left is the
        same number, and the overlaps are the devkit's. Differs from it: a recall of 3 / 10
        reaches the level 0.3, which rounding denies there; a class without objects is left out of
        the mean, where detectron2 counts 0; its files round scores to 3 digits, boxes to 1.

    Example:
        >>> one = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
        >>> no = torch.zeros(1, dtype=torch.bool)
        >>> truth = Objects(one, torch.tensor([0]), None, no, no)
        >>> found = Detections(one, torch.tensor([0]), torch.tensor([0.9]), None)
        >>> voc_average_precision([found], [truth], num_classes=1).mean()
        1.0
    """
    metric = VOCAveragePrecision(num_classes, rule=rule, thresholds=thresholds)
    metric.update(detections, objects, torch.arange(len(objects)))
    return metric.compute()


class VOCAveragePrecision(RowMetric):
    """`voc_average_precision` of a test set that comes in batches, on one or many processes.

    Keeps a few numbers for each detection, and no image.

    Args:
        num_classes: see `voc_average_precision`, like the next two.
        rule: see there.
        thresholds: see there.

    Raises:
        ValueError: see there; and in `update`, if the lists do not belong together.

    Example:
        >>> metric = VOCAveragePrecision(20)
        >>> metric.update([], [], torch.zeros(0, dtype=torch.int64))
        >>> metric.compute().per_class.shape
        torch.Size([10, 20])
    """

    counts: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        rule: Rule = "eleven_points",
        thresholds: Sequence[float] = VOC_THRESHOLDS,
    ) -> None:
        check_num_classes(num_classes)
        if rule not in ("eleven_points", "every_point"):
            raise ValueError(f"`rule` must be 'eleven_points' or 'every_point', got {rule!r}")
        if not thresholds or not all(0 <= one < 1 for one in thresholds):
            raise ValueError(f"`thresholds` must lie in [0, 1), got {tuple(thresholds)}")
        whole = torch.int64
        super().__init__(
            {
                "scores": empty_rows(None, torch.float32),
                "labels": empty_rows(None, whole),
                "images": empty_rows(None, whole),
                "overlaps": empty_rows(None, torch.float64),
                "nearest": empty_rows(None, whole),  # the object's place in its image
                "ignored": empty_rows(None, torch.bool),  # if it is that object
            }
        )
        self.add_state("counts", torch.zeros(num_classes, dtype=whole), dist_reduce_fx="sum")
        self.num_classes = num_classes
        self.rule = rule
        self.thresholds = tuple(thresholds)

    def update(
        self, detections: Sequence[Detections], objects: Sequence[Objects], indices: Tensor
    ) -> None:
        """Adds images.

        Args:
            detections: of each image.
            objects: of each image.
            indices: ``(B,)`` int64, the images' positions in the data set; each comes once.
        """
        check_pairs(len(detections), len(objects), len(indices))
        for found, true, image in zip(detections, objects, indices.tolist(), strict=True):
            check_classes(found.labels, self.num_classes, "detections")
            check_classes(true.labels, self.num_classes, "objects")
            overlaps, nearest = _nearest(found, true)
            passed_over = (true.difficult | true.crowd).to(found.boxes.device)
            padded = torch.cat([passed_over, passed_over.new_zeros(1)])  # [-1]: no object at all
            self.add_rows(
                scores=found.scores,
                labels=found.labels,
                images=torch.full_like(found.labels, image),
                overlaps=overlaps,
                nearest=nearest,
                ignored=padded[nearest],
            )
            counted = true.labels[~(true.difficult | true.crowd)].to(self.device)
            self.counts += torch.bincount(counted, minlength=self.num_classes)

    def compute(self) -> VOCResult:
        scores, labels, images = self.rows("scores"), self.rows("labels"), self.rows("images")
        # Equal scores go by image, whatever process saw it; within an image the order stands.
        order = images.argsort(stable=True)
        order = order[scores[order].argsort(descending=True, stable=True)]
        # One number for each object of the whole set.
        nearest = self.rows("nearest")
        owner = images * (int(nearest.max()) + 1 if len(nearest) else 1) + nearest
        overlaps, ignored = self.rows("overlaps"), self.rows("ignored")
        counts = self.counts.tolist()
        result = torch.full((len(self.thresholds), self.num_classes), float("nan")).double()
        for label, count in enumerate(counts):
            if not count:
                continue
            own = order[labels[order] == label]
            for row, threshold in enumerate(self.thresholds):
                hits = overlaps[own] > threshold
                counted = own[~(hits & ignored[own])]
                right = _first_of_each(owner[counted], overlaps[counted] > threshold)
                result[row, label] = _average(right, count, self.rule)
        return VOCResult(result, self.thresholds)


def _nearest(found: Detections, true: Objects) -> tuple[Tensor, Tensor]:
    """The largest overlap of each detection with an object of its class, and that object."""
    boxes = found.boxes.double()
    if not len(true.boxes):
        nothing = torch.full_like(found.labels, -1)
        return boxes.new_zeros(len(boxes)), nothing
    overlaps = box_iou(boxes, true.boxes.double().to(boxes.device))  # (N, M)
    same = found.labels[:, None] == true.labels.to(boxes.device)
    best, nearest = overlaps.masked_fill(~same, -1).max(1)
    return best.clamp(min=0), nearest.masked_fill(best < 0, -1)


def _first_of_each(owner: Tensor, hits: Tensor) -> Tensor:
    """Marks, of the hits on the same object, the first."""
    rows = hits.nonzero().flatten()
    _, group = owner[rows].unique(return_inverse=True)
    first = torch.full((int(group.max()) + 1 if len(group) else 0,), len(owner))
    first = first.scatter_reduce(0, group, rows, "amin")
    right = torch.zeros(len(owner), dtype=torch.bool)
    right[first] = True
    return right


def _average(right: Tensor, count: int, rule: Rule) -> float:
    """AP of detections by falling score, `right` or not, where there are `count` objects."""
    if not right.any():
        return 0.0
    done = right.cumsum(0)  # recall x count
    precision = done.double() / torch.arange(1, len(right) + 1)
    at_least = precision.flip(0).cummax(0).values.flip(0)  # p(r)
    if rule == "every_point":
        return float(at_least[right].sum() / count)
    # Recall >= k / 10 in whole numbers: no rounding.
    starts = torch.searchsorted(10 * done, torch.arange(11) * count)
    reached = starts < len(right)
    return float(at_least[starts[reached]].sum() / 11)
