"""Detections that were matched with objects, and average precision of them.

Matching looks at one image at a time, so a test set that holds some images twice, and others not
at all, needs no new matching: rows are counted as often as their image is drawn.

Legend: N images, C classes, T overlap thresholds, D detections, M objects, r resamples, L levels
of recall.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call

from ..bootstrap import draw_images, percentiles
from ..intervals import Interval, check_level

_VALUES = 2**23  # of a class and some resamples, at once


class DetectionMatches:
    """The detections of a test set by class and falling score, and what became of each.

    No tuple: torchmetrics would look inside.

    Args:
        num_images: N.
        num_classes: C.
        thresholds: the T overlaps.
        images: ``(D,)`` int64 place of each detection's image, 0 to N - 1.
        labels: ``(D,)`` int64.
        scores: ``(D,)``. Of equal ones the order stands.
        right: ``(T, D)`` bool, whether it found an object that counts.
        ignored: ``(T, D)`` bool, whether it is neither right nor wrong.
        object_images: ``(M,)`` int64 of the objects that count.
        object_labels: ``(M,)`` int64.
        levels: ``(L,)`` float64 of recall, whose precisions are averaged; ``None``: the integral
            of the precision over the recall.
    """

    @checked_call(num_images=checks.count)
    def __init__(
        self,
        *,
        num_images: int,
        num_classes: int,
        thresholds: Sequence[float],
        images: Tensor,
        labels: Tensor,
        scores: Tensor,
        right: Tensor,
        ignored: Tensor,
        object_images: Tensor,
        object_labels: Tensor,
        levels: Tensor | None,
    ) -> None:
        order = scores.argsort(descending=True, stable=True)
        order = order[labels[order].argsort(stable=True)]
        self.num_images = num_images
        self.num_classes = num_classes
        self.thresholds = tuple(thresholds)
        self.images, self.labels = images[order], labels[order]
        self.right, self.ignored = right[:, order], ignored[:, order]
        order = object_labels.argsort(stable=True)
        self.object_images, self.object_labels = object_images[order], object_labels[order]
        self.levels = levels


@checked_call()
def average_precisions(matches: DetectionMatches, times: Tensor | None = None) -> Tensor:
    """Average precision of each class at each threshold, of a test set with repeated images.

    With precision p(r) the largest one at a recall of r or more, the mean of p over the levels of
    recall, or its integral over the recall.

    Args:
        matches: of `COCOResult` or `VOCResult`.
        times: ``(r, N)`` how often each image is there; ``None``: once, with r = 1.

    Returns:
        ``(r, T, C)`` float64; NaN for a class without objects that count. The copies of an image
        follow each other, which matters where scores are equal.

    Raises:
        ValueError: if `times` has another shape, or a number is not finite or negative.
    """
    if times is None:
        times = torch.ones(1, matches.num_images)
    checks.all_finite("times", checks.shape("times", times, ("r", matches.num_images)))
    if bool((times < 0).any()):
        checks.refuse("times", "of at least 0", float(times.min()))
    columns = times.double().T.contiguous()  # (N, r), since rows are gathered much faster
    classes = range(matches.num_classes)
    parts = _parts(matches.labels, matches.num_classes)
    object_parts = _parts(matches.object_labels, matches.num_classes)
    result = torch.full((len(times), len(matches.thresholds), len(classes)), torch.nan).double()
    for label in classes:
        images = matches.images[parts[label]]
        object_images = matches.object_images[object_parts[label]]
        if not len(object_images):
            continue
        count = columns.index_select(0, object_images).sum(0)  # (r,) objects
        weights = columns.index_select(0, images)  # (d, r)
        seen = weights.cumsum(0)
        for row in range(len(matches.thresholds)):
            right, ignored = matches.right[row, parts[label]], matches.ignored[row, parts[label]]
            precision, recall, steps = _curve(weights, seen, right, ignored, count)
            if matches.levels is None:
                result[:, row, label] = (precision * steps).sum(0) / count
            else:
                result[:, row, label] = _at_levels(precision, recall, matches.levels)
        result[count == 0, :, label] = torch.nan
    return result


@checked_call()
def bootstrap_average_precision(
    matches: DetectionMatches, *, level: float = 0.95, num_resamples: int = 400, seed: int = 0
) -> dict[str, Interval]:
    """Percentile intervals of AP, AP50 and AP75 by resampling the images of a test set.

    Nothing is matched again: 400 resamples of 5,000 images with 500,000 detections of 80 classes
    take about ten seconds of one core. A class without an object in a resample does not count
    there, and a resample without any object is left out.

    Args:
        matches: of `COCOResult` or `VOCResult`.
        level: share of the numbers inside.
        num_resamples: R.
        seed: of the resampling.

    Returns:
        Of shares in [0, 1]: ``"AP"``, the mean over the thresholds, and ``"AP50"`` and ``"AP75"``
        where these are among them. Of nothing to find, NaN to NaN.

    Raises:
        TypeError, ValueError: if there is no image, `level` lies outside (0, 1), or
            `num_resamples` is no positive whole number.

    Source:
        Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979); the percentile interval.
    """
    check_level(level)
    count = matches.num_images
    if not count:
        checks.refuse("matches", "of at least one image", count)
    largest = max(count, int(matches.labels.bincount().max()) if len(matches.labels) else 0)
    precisions = []
    for rows in draw_images(count, num_resamples, seed, at_once=_VALUES // largest):
        times = torch.zeros(rows.shape, dtype=torch.float64)
        times.scatter_add_(1, rows, torch.ones_like(times))
        precisions.append(average_precisions(matches, times))
    values = torch.cat(precisions)  # (R, T, C)
    numbers = {"AP": values.flatten(1)}
    for percent in (50, 75):
        if percent / 100 in matches.thresholds:
            row = matches.thresholds.index(percent / 100)
            numbers[f"AP{percent}"] = values[:, row]
    return {name: _interval(table.nanmean(1), level) for name, table in numbers.items()}


def coco_levels() -> Tensor:
    """The 101 levels of recall of COCO."""
    return torch.from_numpy(np.linspace(0.0, 1.0, 101))


def _curve(
    weights: Tensor, seen: Tensor, right: Tensor, ignored: Tensor, count: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """At the k right ones: the largest precision from there on, recall, and weight; ``(k, r)``.

    Wrong detections only lower the precision, so the curve is known by the right ones.
    """
    rows = right.nonzero()[:, 0]  # (k,)
    total = seen.index_select(0, rows)
    out = ignored.nonzero()[:, 0]
    if len(out):
        before = F.pad(weights.index_select(0, out).cumsum(0), (0, 0, 1, 0))
        total -= before.index_select(0, torch.searchsorted(out, rows))
    steps = weights.index_select(0, rows)
    hits = steps.cumsum(0)
    # 0 / 0 only before the first image that was drawn: a precision of 0, which no level takes.
    precision = hits / total.clamp(min=torch.finfo(total.dtype).tiny)
    precision = precision.flip(0).cummax(0).values.flip(0) if len(rows) else precision
    return precision, hits / count, steps


def _at_levels(precision: Tensor, recall: Tensor, levels: Tensor) -> Tensor:
    """Mean precision over the levels; 0 where a level is not reached."""
    number, resamples = recall.shape
    if not number:
        return recall.new_zeros(resamples)
    recall = recall.nan_to_num().T.contiguous()  # NaN: of a resample without an object
    places = torch.searchsorted(recall, levels.expand(resamples, -1).contiguous())  # (r, L)
    last = places == number
    return precision.T.gather(1, places.clamp(max=number - 1)).masked_fill(last, 0).mean(1)


def _parts(labels: Tensor, num_classes: int) -> list[slice]:
    """Where the rows of each class are, in sorted labels."""
    ends = torch.searchsorted(labels, torch.arange(num_classes + 1)).tolist()
    return [slice(start, end) for start, end in pairwise(ends)]


def _interval(values: Tensor, level: float) -> Interval:
    values = values[~values.isnan()]
    return percentiles(values, level) if len(values) else Interval(float("nan"), float("nan"))
