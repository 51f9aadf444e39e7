"""Average precision of detections as they are, and after errors of one kind are mended.

A fix takes detections away, makes them right, gives them another class, or takes objects away.
It looks at one image at a time, so a test set that holds some images twice needs no new matching.

Legend: N images, D detections, M objects, C classes, r resamples, T fixes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from instdisc.metrics import (
    DetectionMatches,
    Interval,
    average_precisions,
    draw_images,
    percentiles,
)

from .overlaps import Overlaps
from .precision import class_precision

_VALUES = 2**23  # of a class and some resamples, at once


class Fix(NamedTuple):
    """What a test set becomes.

    Attributes:
        right: ``(D,)`` bool.
        out: ``(D,)`` bool, neither right nor wrong.
        labels: ``(D,)`` int64; ``None``: as they are.
        objects: ``(M,)`` bool, those to find; ``None``: those that count.
        present: ``(D,)`` bool: a class with such a detection counts in the mean though it has no
            object; ``None``: those that are not out.
    """

    right: np.ndarray
    out: np.ndarray
    labels: np.ndarray | None = None
    objects: np.ndarray | None = None
    present: np.ndarray | None = None


class FixedPrecisions:
    """Average precision under every fix, of the test set or of images drawn from it.

    Args:
        overlaps: the test set.
        fixes: by name; of the first the others are changes.
        levels: ``(L,)`` float64 of recall whose precisions are averaged; ``None``: the integral of
            the precision over the recall.
        bare_classes: whether a class without objects counts, with 0, where detections have it.
    """

    def __init__(
        self,
        overlaps: Overlaps,
        fixes: Mapping[str, Fix],
        *,
        levels: np.ndarray | None,
        bare_classes: bool,
    ) -> None:
        self.overlaps = overlaps
        self.fixes = dict(fixes)
        self.levels = levels
        self.bare_classes = bare_classes

    def of_classes(self, expected: float | None = None) -> dict[str, np.ndarray]:
        """Under each fix the average precision of each class, ``(C,)`` float64 shares.

        NaN for a class that does not count.

        Args:
            expected: see `class_precision`.
        """
        o, results = self.overlaps, {}
        by_score, orders = np.argsort(-o.scores, kind="stable"), {}
        for name, fix in self.fixes.items():
            labels = _or(fix.labels, o.labels)
            if id(labels) not in orders:
                # Small integers are sorted in linear time.
                small = labels[by_score].astype(np.min_scalar_type(o.num_classes))
                orders[id(labels)] = by_score[np.argsort(small, kind="stable")]
            order = orders[id(labels)][~fix.out[orders[id(labels)]]]
            right, ends = fix.right[order], _ends(labels[order], o.num_classes)
            objects = _or(fix.objects, o.counts)
            num_objects = np.bincount(o.object_labels[objects], minlength=o.num_classes)
            seen = labels[_or(fix.present, ~fix.out)] if self.bare_classes else o.labels[:0]
            bare = np.bincount(seen, minlength=o.num_classes) > 0
            results[name] = np.where(bare, 0.0, np.nan)
            for label in np.flatnonzero(num_objects).tolist():
                results[name][label] = class_precision(
                    right[ends[label] : ends[label + 1]],
                    int(num_objects[label]),
                    levels=self.levels,
                    expected=expected,
                )
        return results

    def intervals(
        self, names: Sequence[str], *, level: float, num_resamples: int, seed: int
    ) -> dict[str, Interval]:
        """Percentile intervals over the images of the first fix's precision, and of what each
        other one gains.

        Args:
            names: the fixes that are asked for.
            level: share of the numbers inside.
            num_resamples: R.
            seed: of the resampling.
        """
        groups, present = self._prepared()
        count = self.overlaps.num_images
        largest = max(count, 1, *np.bincount(self.overlaps.labels, minlength=1).tolist())
        values = []
        for rows in draw_images(count, num_resamples, seed, at_once=_VALUES // largest):
            times = torch.zeros(rows.shape, dtype=torch.float64)
            times.scatter_add_(1, rows, torch.ones_like(times))
            values.append(self._means(times, groups, present))
        table = torch.cat(values)  # (R, T)
        gains = table - table[:, :1]
        gains[:, 0] = table[:, 0]
        columns = dict(zip(self.fixes, gains.unbind(1), strict=True))
        return {name: percentiles(columns[name], level) for name in names}

    def _prepared(self) -> tuple[list[tuple[list[int], DetectionMatches]], list[Tensor]]:
        """The fixes by what can be scored together, and for each ``(N, C)`` its detections."""
        fixes = list(self.fixes.values())
        groups = [
            (rows, _matches(self.overlaps, [fixes[row] for row in rows], self.levels))
            for rows in _alike(fixes)
        ]
        return groups, [torch.from_numpy(_present(self.overlaps, fix)) for fix in fixes]

    def _means(
        self,
        times: Tensor,
        groups: Sequence[tuple[list[int], DetectionMatches]],
        present: Sequence[Tensor],
    ) -> Tensor:
        """``(r, T)`` means over the classes, of images that are there so many times."""
        result = torch.zeros(len(times), len(present), dtype=torch.float64)
        for rows, matches in groups:
            for row, values in zip(rows, average_precisions(matches, times).unbind(1), strict=True):
                if self.bare_classes:
                    values = values.masked_fill(values.isnan() & (times @ present[row] > 0), 0)
                result[:, row] = values.nanmean(1).nan_to_num(0)  # of no class: 0
        return result


def mean_over_classes(precisions: np.ndarray) -> float:
    """``(C,)`` precisions to the mean over the classes that count; 0 where none does."""
    values = precisions[~np.isnan(precisions)]
    return float(values.mean()) if len(values) else 0.0


def _or(column: np.ndarray | None, otherwise: np.ndarray) -> np.ndarray:
    return otherwise if column is None else column


def _ends(labels: np.ndarray, num_classes: int) -> list[int]:
    ends: list[int] = np.searchsorted(labels, np.arange(num_classes + 1)).tolist()
    return ends


def _alike(fixes: Sequence[Fix]) -> list[list[int]]:
    """Fixes that leave classes and objects alone can be scored together."""
    plain = [row for row, fix in enumerate(fixes) if fix.labels is None and fix.objects is None]
    return [plain, *([row] for row in range(len(fixes)) if row not in plain)]


def _matches(
    overlaps: Overlaps, fixes: Sequence[Fix], levels: np.ndarray | None
) -> DetectionMatches:
    objects = _or(fixes[0].objects, overlaps.counts)
    return DetectionMatches(
        num_images=overlaps.num_images,
        num_classes=overlaps.num_classes,
        thresholds=tuple(range(len(fixes))),
        images=torch.from_numpy(overlaps.images),
        labels=torch.from_numpy(_or(fixes[0].labels, overlaps.labels)),
        scores=torch.from_numpy(overlaps.scores),
        right=torch.from_numpy(np.stack([fix.right for fix in fixes])),
        ignored=torch.from_numpy(np.stack([fix.out for fix in fixes])),
        object_images=torch.from_numpy(overlaps.object_images[objects]),
        object_labels=torch.from_numpy(overlaps.object_labels[objects]),
        levels=None if levels is None else torch.from_numpy(levels),
    )


def _present(overlaps: Overlaps, fix: Fix) -> np.ndarray:
    """``(N, C)`` float64 detections of each image and class, for which the class may count."""
    kept = _or(fix.present, ~fix.out)
    labels = _or(fix.labels, overlaps.labels)[kept]
    cells = overlaps.images[kept] * overlaps.num_classes + labels
    size = overlaps.num_images * overlaps.num_classes
    counts: np.ndarray = np.bincount(cells, minlength=size).astype(np.float64)
    return counts.reshape(-1, overlaps.num_classes)
