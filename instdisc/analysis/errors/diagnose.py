"""The errors of a detector whose detections were kept: records, and arrays for the figures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ObjectSource
from instdisc.records import Run
from instdisc.transfer import save_predictions
from instdisc.types import About, Record

from .hoiem import HoiemResult, hoiem_of
from .overlaps import find_overlaps
from .predictions import kept_detections, true_objects
from .ranks import MULTIPLES, NUMBERS
from .records import (
    RESAMPLES,
    hoiem_intervals,
    hoiem_lines,
    tide_intervals,
    tide_lines,
)
from .tide import TIDE_TYPES, TideResult, tide_of
from .tiles import error_tiles

GAINS = (*TIDE_TYPES, "FalsePos", "FalseNeg")


@checked_call(num_resamples=checks.count)
def diagnose(
    predictions: Mapping[str, np.ndarray],
    images: ObjectSource,
    *,
    seed: int = 0,
    threshold: float = 0.5,
    background: float = 0.1,
    similar: Sequence[Sequence[str]] | None = None,
    num_resamples: int = RESAMPLES,
    per_type: int = 4,
    thumbnail: int = 128,
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """TIDE and Hoiem et al. on the boxes that a detection task kept, over the same overlaps.

    Args:
        predictions: see `kept_detections`.
        images: what was tested on.
        seed: of the resampling.
        threshold: of what is right, in both.
        background: of what is mistaken for an object, in both.
        similar: see `hoiem`.
        num_resamples: see `tide_records`.
        per_type: pictures of errors of each type, see `error_tiles`; 0 for none.
        thumbnail: side of these in pixels; 0 for boxes alone, without the images.
        about: whose detections these are.
        arrays: a ``.npz`` file for `tide_figure`, `hoiem_figure` and `error_pictures`: of TIDE
            ``tide_gains`` (in points, by type, FalsePos, FalseNeg) with ``tide_low`` and
            ``tide_high``, ``tide_counts``, ``tide_ap`` and ``tide_labels``; of Hoiem et al.
            ``hoiem_shares``, ``hoiem_strong``, ``hoiem_weak`` by class and ``hoiem_multiples``,
            ``hoiem_false`` by class and ``hoiem_numbers``, and ``hoiem_labels``; ``classes``; the
            columns of `error_tiles`. ``None``: none.

    Returns:
        The records of `tide_records` and of `hoiem_records`.

    Raises:
        TypeError, ValueError: see `kept_detections`, `tide`, `hoiem` and `error_tiles`.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> scenes = SceneObjects(Scenes(2, image_size=32))
        >>> true = [scenes.objects(place) for place in range(2)]
        >>> kept = {"image": np.array(["0", "1"]),
        ...     "boxes": np.concatenate([image.boxes.numpy() for image in true]),
        ...     "boxes_ends": np.cumsum([len(image.boxes) for image in true]),
        ...     "labels": np.concatenate([image.labels.numpy() for image in true])}
        >>> kept["scores"] = np.ones(len(kept["labels"]))
        >>> {record.task for record in diagnose(kept, scenes, num_resamples=0)} == {"tide", "hoiem"}
        True
    """
    start = time.perf_counter()
    detections, objects = kept_detections(predictions, images), true_objects(images)
    names = [str(name) for name in images.classes]
    overlaps = find_overlaps(detections, objects, num_classes=len(names))
    by_tide = tide_of(overlaps, threshold=threshold, background=background)
    by_hoiem = hoiem_of(overlaps, classes=names, similar=similar, strong=threshold, weak=background)
    intervals = tide_intervals(by_tide, num_resamples, seed)
    more_intervals = hoiem_intervals(by_hoiem, num_resamples, seed)
    columns = {"classes": np.array(names), **_of_tide(by_tide), **_of_hoiem(by_hoiem)}
    if intervals:
        ends = np.array([intervals[name] for name in GAINS])
        columns |= {"tide_low": 100 * ends[:, 0], "tide_high": 100 * ends[:, 1]}
    if arrays is not None:
        tiles = error_tiles(by_tide, images, per_type=per_type, thumbnail=thumbnail)
        save_predictions(arrays, {**columns, **tiles})
    settings = {
        "kind": "box",
        "threshold": threshold,
        "background": background,
        "similar": similar,
    }
    run = Run(
        About(dataset=images.name).update(about),
        seed,
        time.perf_counter() - start,
        settings,
    )
    return [
        *tide_lines(by_tide, intervals, run, num_resamples),
        *hoiem_lines(by_hoiem, more_intervals, run, num_resamples),
    ]


def _of_tide(result: TideResult) -> dict[str, np.ndarray]:
    gains = [*result.gains.values(), result.false_positives, result.false_negatives]
    return {
        "tide_gains": 100 * np.array(gains),
        "tide_counts": np.array(list(result.counts.values())),
        "tide_ap": np.array(100 * result.average_precision),
        "tide_labels": result.labels.numpy().astype(np.int8),
    }


def _of_hoiem(result: HoiemResult) -> dict[str, np.ndarray]:
    strong, weak = result.ranks.recalls()
    return {
        "hoiem_shares": 100 * result.ranks.shares(),
        "hoiem_strong": 100 * strong,
        "hoiem_weak": 100 * weak,
        "hoiem_multiples": np.array(MULTIPLES),
        "hoiem_false": 100 * result.ranks.false_positives(),
        "hoiem_numbers": np.array(NUMBERS),
        "hoiem_labels": result.labels.numpy().astype(np.int8),
    }
