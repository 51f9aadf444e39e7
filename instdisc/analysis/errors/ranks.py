"""Types of errors over the ranks of the detections, class by class.

Legend: N images, D detections, C classes, K ranks, r resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from instdisc import checks
from instdisc.metrics import Interval, draw_images, percentiles

from .overlaps import Overlaps

HOIEM_TYPES = ("Cor", "Loc", "Sim", "Oth", "BG")
IGNORED = len(HOIEM_TYPES)
MULTIPLES = tuple(2.0**power for power in range(-3, 4))  # of the objects of a class
NUMBERS = tuple(25 * 2**power for power in range(8))  # of false positives
_VALUES = 2**22  # of a class and some resamples, at once


class Ranks:
    """The detections of every class, best first.

    Args:
        overlaps: the test set.
        labels: ``(D,)`` int64 places in `HOIEM_TYPES`, or `IGNORED`.
        weak: ``(D,)`` bool, right by the weak threshold.
    """

    def __init__(self, overlaps: Overlaps, labels: np.ndarray, weak: np.ndarray) -> None:
        order = np.lexsort((-overlaps.scores, overlaps.labels))
        ends = np.searchsorted(overlaps.labels[order], np.arange(overlaps.num_classes + 1))
        self.num_images = overlaps.num_images
        self._rows = [order[ends[c] : ends[c + 1]] for c in range(overlaps.num_classes)]
        self._images, self._labels, self._weak = overlaps.images, labels, weak
        cells = overlaps.object_labels * overlaps.num_images + overlaps.object_images
        size = overlaps.num_classes * overlaps.num_images
        # (C, N) objects to find
        counts = np.bincount(cells[overlaps.counts], minlength=size).astype(np.float64)
        self._objects: np.ndarray = counts.reshape(overlaps.num_classes, -1)
        self.num_objects: np.ndarray = self._objects.sum(1)

    def shares(self, multiples: Sequence[float] = MULTIPLES) -> np.ndarray:
        """Share of each type among the best detections of a class; of those that count.

        Args:
            multiples: K numbers of detections, as multiples of the objects of the class.

        Returns:
            ``(C, K, 5)``; of a class with fewer detections the shares of all; NaN where it has no
            objects, or no detection that counts.
        """
        _check_numbers("multiples", multiples)
        result = np.full((len(self._rows), len(multiples), len(HOIEM_TYPES)), np.nan)
        for label, rows in enumerate(self._rows):
            table = _running(self._labels[rows])
            for place, multiple in enumerate(multiples):
                if self.num_objects[label]:
                    count = _rounded(multiple * self.num_objects[label], len(rows))
                    result[label, place] = _parts(table[count, :IGNORED])
        return result

    def recalls(self, multiples: Sequence[float] = MULTIPLES) -> tuple[np.ndarray, np.ndarray]:
        """Share of the objects that the best detections find, by the strong and weak threshold.

        Args:
            multiples: see `shares`.

        Returns:
            ``(C, K)`` each; NaN where a class has no objects.
        """
        _check_numbers("multiples", multiples)
        results = np.full((2, len(self._rows), len(multiples)), np.nan)
        for label, rows in enumerate(self._rows):
            for side, right in enumerate((self._labels[rows] == 0, self._weak[rows])):
                hits = np.concatenate([[0], right.cumsum()])
                for place, multiple in enumerate(multiples):
                    number = self.num_objects[label]
                    if number:
                        count = _rounded(multiple * number, len(rows))
                        results[side, label, place] = hits[count] / number
        return results[0], results[1]

    def false_positives(self, numbers: Sequence[int] = NUMBERS) -> np.ndarray:
        """Share of each type of error among the best false positives of a class.

        Args:
            numbers: K, of false positives.

        Returns:
            ``(C, K, 4)`` of Loc to BG; of a class with fewer the shares of all; NaN where no class
            has so many, or a class has none.
        """
        _check_numbers("numbers", numbers)
        most = 0
        result = np.full((len(self._rows), len(numbers), len(HOIEM_TYPES) - 1), np.nan)
        for label, rows in enumerate(self._rows):
            labels = self._labels[rows]
            table = _running(labels[(labels > 0) & (labels < IGNORED)])
            for place, number in enumerate(numbers):
                result[label, place] = _parts(table[min(number, len(table) - 1), 1:IGNORED])
            most = max(most, len(table) - 1)
        result[:, np.asarray(numbers) > most] = np.nan
        return result

    def top(self, times: np.ndarray | None = None) -> np.ndarray:
        """Share of each type among the best detections of a class, as many as it has objects.

        Of a class with fewer detections, among these.

        Args:
            times: ``(r, N)`` how often each image is there; ``None``: once, with r = 1.

        Returns:
            ``(r, 5)``, the mean over the classes with objects that have such detections; NaN if
            there is none.
        """
        times = np.ones((1, self.num_images)) if times is None else times
        total, count = np.zeros((len(times), IGNORED)), np.zeros((len(times), 1))
        for rows, objects in zip(self._rows, self._objects, strict=True):
            if not objects.any():
                continue
            weights = times[:, self._images[rows]]  # (r, d)
            before = weights.cumsum(1) - weights
            weights = np.clip((times @ objects)[:, None] - before, 0, weights)
            kinds = self._labels[rows][:, None] == np.arange(IGNORED)
            sums = weights @ kinds
            some = sums.sum(1, keepdims=True) > 0
            total += np.divide(
                sums, sums.sum(1, keepdims=True), where=some, out=np.zeros_like(sums)
            )
            count += some
        return np.divide(total, count, where=count > 0, out=np.full_like(total, np.nan))

    def intervals(self, *, level: float, num_resamples: int, seed: int) -> dict[str, Interval]:
        """Percentile intervals of `top` over the images, by type.

        Args:
            level: share of the numbers inside.
            num_resamples: R.
            seed: of the resampling.
        """
        largest = max(self.num_images, *(len(rows) for rows in self._rows))
        tables = []
        for rows in draw_images(self.num_images, num_resamples, seed, at_once=_VALUES // largest):
            times = torch.zeros(rows.shape, dtype=torch.float64)
            times.scatter_add_(1, rows, torch.ones_like(times))
            tables.append(self.top(times.numpy()))
        table = torch.from_numpy(np.concatenate(tables))
        table = table[~table.isnan().any(1)]  # resamples without an object
        if not len(table):
            return {}
        columns = zip(HOIEM_TYPES, table.unbind(1), strict=True)
        return {name: percentiles(column, level) for name, column in columns}


def _running(labels: np.ndarray) -> np.ndarray:
    """``(d + 1, 6)`` how many of each type there are among the first."""
    kinds = labels[:, None] == np.arange(IGNORED + 1)
    return np.concatenate([np.zeros((1, IGNORED + 1)), kinds.cumsum(0)])


def _parts(counts: np.ndarray) -> np.ndarray:
    total = counts.sum()
    return counts / total if total else np.full(counts.shape, np.nan)


def _rounded(number: float, most: int) -> int:
    return min(max(1, round(number)), most)


def _check_numbers(name: str, numbers: Sequence[float]) -> None:
    if not len(numbers):
        checks.refuse(name, "of at least one number", list(numbers))
    for number in numbers:
        checks.positive(name, number)
