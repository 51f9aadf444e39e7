"""What is kept of each image or episode, from which a result can be computed again.

Every number that can be paired is a mean, over classes C, of ratios of sums over images:
``mean_c(sum_i numerator_ic / sum_i denominator_ic)``. An accuracy is that of one class whose
denominators are 1.

Legend: N images or episodes, C classes, P points.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from instdisc.types import Record

from ..material import Material

_AUC_END = 0.10
_FAILURES = {"failures above 8 %": 0.08, "failures above 10 %": 0.10}
_TOLERANCE = 1e-4  # relative; float32 was kept of some


class Sample(NamedTuple):
    """The images or episodes of one run.

    Attributes:
        names: ``(N,)`` texts.
        truth: ``(N,)`` what the names are checked with, such as labels; ``None``: nothing.
        numerators: ``(N,)``, or ``(N, C)`` where there are denominators; dense or sparse.
        denominators: ``(N, C)``; ``None``: all 1.
        scale: from the mean to the unit of the record.
        units: ``"images"`` or ``"episodes"``.
    """

    names: np.ndarray
    truth: np.ndarray | None
    numerators: Any
    denominators: Any
    scale: float
    units: str

    def value(self, times: np.ndarray | None = None) -> np.ndarray:
        """The result ``(r,)`` if the images are there `times` ``(r, N)``; once if ``None``."""
        if times is None:
            times = np.ones((1, len(self.names)))
        if self.denominators is None:
            return np.asarray(self.scale * (times @ self.numerators) / times.sum(1))
        above, below = (np.asarray(times @ part) for part in (self.numerators, self.denominators))
        there = below > 0
        ratios = np.divide(above, below, out=np.zeros_like(above), where=there)
        return np.asarray(self.scale * ratios.sum(1) / there.sum(1))

    def taken(self, rows: np.ndarray) -> Sample:
        """The sample in another order."""
        below = None if self.denominators is None else self.denominators[rows]
        truth = None if self.truth is None else self.truth[rows]
        return self._replace(
            names=self.names[rows],
            truth=truth,
            numerators=self.numerators[rows],
            denominators=below,
        )


class Samples:
    """Reads the samples of records; the files of a task and data set once.

    Args:
        material: the records with the folders in which their files lie.
    """

    def __init__(self, material: Material) -> None:
        self._material = material
        self._of: tuple[str, str] | None = None
        self._files: dict[str, Mapping[str, np.ndarray] | None] = {}

    def read(self, record: Record) -> Sample | str:
        """The sample of a record, or why there is none."""
        arrays = self._arrays(record)
        if arrays is None:
            return "no predictions were kept"
        sample = _sample(record, arrays)
        if sample is None:
            return "the predictions do not give this metric"
        value = float(sample.value()[0]) if len(sample.names) else float("nan")
        if not abs(value - record.value) <= _TOLERANCE * max(1.0, abs(record.value)):
            return "the predictions do not give the value of the record"
        return sample

    def _arrays(self, record: Record) -> Mapping[str, np.ndarray] | None:
        if self._of != (record.task, record.dataset):  # results of one task follow each other
            self._of, self._files = (record.task, record.dataset), {}
        if record.job not in self._files:
            self._files[record.job] = self._material.arrays(record)
        return self._files[record.job]


def align(a: Sample, b: Sample) -> Sample | str:
    """The second sample in the order of the first, or why they cannot be paired.

    Rows are paired by the names of the images, never by their places.
    """
    other = f"not the same {a.units}"
    if len(a.names) != len(b.names):
        return other
    if not np.array_equal(a.names, b.names):
        first, second = (np.argsort(sample.names, kind="stable") for sample in (a, b))
        names = a.names[first]
        if not np.array_equal(names, b.names[second]):
            return other
        if (names[1:] == names[:-1]).any():
            return f"several {a.units} have the same name"
        rows = np.empty_like(first)
        rows[first] = second
        b = b.taken(rows)
    if a.truth is not None and b.truth is not None and not np.array_equal(a.truth, b.truth):
        return "not the same labels"
    return b


def _sample(record: Record, arrays: Mapping[str, np.ndarray]) -> Sample | None:
    """What the arrays of the task tell about the metric of the record."""
    if "shots" in record.settings:
        return _episodes(record, arrays)
    if "image" not in arrays:
        return None
    if {"label", "prediction"} <= set(arrays):
        return _classes(record.metric, arrays)
    if {"hits", "truth", "predicted"} <= set(arrays):
        return _segments(record.metric, arrays)
    if "error" in arrays and arrays["error"].ndim == 2:
        return _points(record.metric, arrays)
    if {"stages", "distance_names", "distances"} <= set(arrays):
        return _inversions(record, arrays)
    return None  # detections: an average precision needs the truth, which is not kept


def _episodes(record: Record, arrays: Mapping[str, np.ndarray]) -> Sample | None:
    shots = record.settings["shots"]
    if f"accuracy_{shots}" not in arrays or f"episodes_{shots}" not in arrays:
        return None
    accuracy = arrays[f"accuracy_{shots}"].astype(np.float64)
    digest = str(arrays[f"episodes_{shots}"][0])
    names = np.array([f"{digest} {place}" for place in range(len(accuracy))])
    return Sample(names, None, accuracy, None, 100.0, "episodes")


def _classes(metric: str, arrays: Mapping[str, np.ndarray]) -> Sample | None:
    names, labels = arrays["image"], arrays["label"]
    hits = (labels == arrays["prediction"]).astype(np.float64)
    if metric == "top-1":
        return Sample(names, labels, hits, None, 100.0, "images")
    if metric == "mean per class":
        from scipy import sparse  # slow to import

        classes, of_image = np.unique(labels, return_inverse=True)
        place = (np.arange(len(labels)), of_image)
        shape = (len(labels), len(classes))
        right = sparse.csr_array((hits, place), shape=shape)
        there = sparse.csr_array((np.ones(len(labels)), place), shape=shape)
        return Sample(names, labels, right, there, 100.0, "images")
    if metric == "NLL" and "probability" in arrays and (arrays["probability"] > 0).all():
        losses = -np.log(arrays["probability"].astype(np.float64))
        return Sample(names, labels, losses, None, 1.0, "images")
    return None


def _segments(metric: str, arrays: Mapping[str, np.ndarray]) -> Sample | None:
    hits, truth = (arrays[name].astype(np.float64) for name in ("hits", "truth"))
    counted = truth.any(1)  # an image of which not one pixel counts says nothing
    names = arrays["image"][counted]
    hits, truth, predicted = hits[counted], truth[counted], arrays["predicted"][counted]
    if metric == "mIoU":
        return Sample(names, truth.sum(1), hits, truth + predicted - hits, 100.0, "images")
    if metric == "pixel accuracy":
        right, pixels = hits.sum(1, keepdims=True), truth.sum(1, keepdims=True)
        return Sample(names, truth.sum(1), right, pixels, 100.0, "images")
    return None


def _inversions(record: Record, arrays: Mapping[str, np.ndarray]) -> Sample | None:
    stage = re.fullmatch(r"stage(\d+)_inversion", record.task)
    names = [str(name) for name in arrays["distance_names"]]
    if stage is None or record.metric not in names or int(stage[1]) not in arrays["stages"]:
        return None
    place = int(np.flatnonzero(arrays["stages"] == int(stage[1]))[0])
    values = arrays["distances"][names.index(record.metric), place].astype(np.float64)  # (N,)
    return Sample(arrays["image"], None, values, None, 1.0, "images")


def _points(metric: str, arrays: Mapping[str, np.ndarray]) -> Sample | None:
    errors = arrays["error"].astype(np.float64)  # (N, P)
    counts = ~np.isnan(errors)
    shown = counts.any(1)
    errors, counts, names = errors[shown], counts[shown], arrays["image"][shown]
    means = np.where(counts, errors, 0.0).sum(1) / counts.sum(1)
    if metric == "NME":
        values = means
    elif metric in _FAILURES:
        values = (means > _FAILURES[metric]).astype(np.float64)
    elif metric == "AUC to 10 %":
        values = (1 - means / _AUC_END).clip(0)
    else:
        return None
    return Sample(names, None, values, None, 100.0, "images")
