"""Errors of a detector as records, with intervals over the images.

Legend: N images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ObjectSource
from instdisc.metrics import Interval, bootstrap_interval
from instdisc.records import Run
from instdisc.types import About, Detections, Record

from .hoiem import HoiemResult, hoiem_of
from .overlaps import Kind, find_overlaps
from .predictions import true_objects
from .ranks import HOIEM_TYPES
from .tide import TIDE_TYPES, TideResult, tide_of

LEVEL = 0.95
RESAMPLES = 400


@checked_call(num_resamples=checks.count)
def tide_records(
    detections: Sequence[Detections],
    images: ObjectSource,
    *,
    kind: Kind = "box",
    threshold: float = 0.5,
    background: float = 0.1,
    num_resamples: int = RESAMPLES,
    seed: int = 0,
    about: About | None = None,
) -> list[Record]:
    """`tide` of a test set as records.

    Args:
        detections: of each image, e.g. of `instdisc.transfer.read_results`.
        images: the test set.
        kind: see `tide`.
        threshold: see there.
        background: see there.
        num_resamples: draws of the images for the intervals; 0 for none.
        seed: of the drawing.
        about: whose detections these are.

    Returns:
        ``"AP50"`` (by TIDE's mean, see `tide`) in percent; ``"dAP Cls"`` and so on, ``"dAP
        FalsePos"`` and ``"dAP FalseNeg"`` in points of it, of which less is better; ``"Cls
        errors"`` and so on, a count per image. Of masks with ``"mask "`` before. The intervals are
        percentile intervals over the images: they say what other images would change, nothing of
        another training.

    Raises:
        TypeError, ValueError: see `tide`.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> scenes = SceneObjects(Scenes(4, image_size=32))
        >>> perfect = [Detections(o.boxes, o.labels, torch.ones(len(o.labels)), None)
        ...     for o in map(scenes.objects, range(4))]
        >>> records = tide_records(perfect, scenes, num_resamples=0)
        >>> [(record.metric, record.value) for record in records[:2]]
        [('AP50', 100.0), ('dAP Cls', 0.0)]
    """
    overlaps = find_overlaps(
        detections,
        true_objects(images, masks=kind == "mask"),
        num_classes=len(images.classes),
        kind=kind,
    )
    result = tide_of(overlaps, threshold=threshold, background=background)
    settings = {"kind": kind, "threshold": threshold, "background": background}
    run = _run(images, about, seed, settings)
    return tide_lines(result, tide_intervals(result, num_resamples, seed), run, num_resamples)


@checked_call(num_resamples=checks.count)
def hoiem_records(
    detections: Sequence[Detections],
    images: ObjectSource,
    *,
    similar: Sequence[Sequence[str]] | None = None,
    kind: Kind = "box",
    strong: float = 0.5,
    weak: float = 0.1,
    num_resamples: int = RESAMPLES,
    seed: int = 0,
    about: About | None = None,
) -> list[Record]:
    """`hoiem` of a test set as records.

    Args:
        detections: see `tide_records`, like what is not said here.
        images: see there.
        similar: see `hoiem`.
        kind: see there.
        strong: see there.
        weak: see there.
        num_resamples: see `tide_records`.
        seed: see there.
        about: see there.

    Returns:
        ``"Cor"`` to ``"BG"``: the share of the best detections of each class, as many as it has
        objects, the mean over the classes, in percent, of which more Cor and less of the others is
        better; ``"AP gain, no Loc"`` and so on in points of AP (the area under precision over
        recall), of which less is better. Of masks with ``"mask "`` before.

    Raises:
        TypeError, ValueError: see `hoiem`.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> scenes = SceneObjects(Scenes(4, image_size=32))
        >>> perfect = [Detections(o.boxes, o.labels, torch.ones(len(o.labels)), None)
        ...     for o in map(scenes.objects, range(4))]
        >>> hoiem_records(perfect, scenes, num_resamples=0)[0].value
        100.0
    """
    overlaps = find_overlaps(
        detections,
        true_objects(images, masks=kind == "mask"),
        num_classes=len(images.classes),
        kind=kind,
    )
    names = [str(name) for name in images.classes]
    result = hoiem_of(overlaps, classes=names, similar=similar, strong=strong, weak=weak)
    settings = {"kind": kind, "strong": strong, "weak": weak, "similar": similar}
    run = _run(images, about, seed, settings)
    return hoiem_lines(result, hoiem_intervals(result, num_resamples, seed), run, num_resamples)


def tide_intervals(result: TideResult, num_resamples: int, seed: int) -> dict[str, Interval]:
    """Of AP (``""``), of what each fix adds, in shares, and of the errors of a type per image.

    None without resamples, or of a single image.
    """
    if not num_resamples or result.fixes.overlaps.num_images < 2:
        return {}
    how: dict[str, Any] = {"level": LEVEL, "num_resamples": num_resamples, "seed": seed}
    gains = result.fixes.intervals(["", *TIDE_TYPES, "FalsePos", "FalseNeg"], **how)
    for name in TIDE_TYPES:  # as the gains themselves
        gains[name] = Interval(*(max(0.0, end) for end in gains[name]))
    numbers = {
        f"{name} errors": bootstrap_interval(lambda n: n.mean(1), [column], **how)
        for name, column in zip(TIDE_TYPES, _per_image(result).unbind(1), strict=True)
    }
    return {**gains, **numbers}


def hoiem_intervals(result: HoiemResult, num_resamples: int, seed: int) -> dict[str, Interval]:
    """Of the shares of the types, and of what each fix adds; see `tide_intervals`."""
    if not num_resamples or result.fixes.overlaps.num_images < 2:
        return {}
    shares = result.ranks.intervals(level=LEVEL, num_resamples=num_resamples, seed=seed)
    names = list(result.gains)
    gains = result.fixes.intervals(names, level=LEVEL, num_resamples=num_resamples, seed=seed)
    return {**shares, **gains}


def tide_lines(
    result: TideResult, intervals: Mapping[str, Interval], run: Run, num_resamples: int
) -> list[Record]:
    """The records of a result; see `tide_records`."""
    gains = {**result.gains, "FalsePos": result.false_positives, "FalseNeg": result.false_negatives}
    count = result.fixes.overlaps.num_images
    percent = round(100 * float(run.settings["threshold"]))
    make = _Maker(run, "tide", intervals, count, num_resamples)
    return [
        make(f"AP{percent}", "", result.average_precision, better=True),
        *(make(f"dAP {name}", name, gain, unit="AP") for name, gain in gains.items()),
        *(
            make(f"{name} errors", f"{name} errors", number / count, unit="per image", scale=1)
            for name, number in result.counts.items()
        ),
    ]


def hoiem_lines(
    result: HoiemResult, intervals: Mapping[str, Interval], run: Run, num_resamples: int
) -> list[Record]:
    """The records of a result; see `hoiem_records`."""
    count = result.fixes.overlaps.num_images
    make = _Maker(run, "hoiem", intervals, count, num_resamples)
    shares = zip(HOIEM_TYPES, result.ranks.top()[0].tolist(), strict=True)
    return [
        *(
            make(name, name, share, better=name == "Cor")
            for name, share in shares
            if not math.isnan(share)
        ),
        *(make(f"AP gain, {name}", name, gain, unit="AP") for name, gain in result.gains.items()),
    ]


class _Maker:
    """Makes the records of one analysis from shares."""

    def __init__(
        self, run: Run, task: str, intervals: Mapping[str, Interval], count: int, resamples: int
    ) -> None:
        self.run, self.task, self.intervals, self.count = run, task, intervals, count
        self.interval = f"bootstrap over {count} images, {resamples} resamples"
        self.prefix = "mask " if run.settings.get("kind") == "mask" else ""

    def __call__(
        self,
        metric: str,
        name: str,
        value: float,
        *,
        unit: str = "%",
        scale: float = 100,
        better: bool = False,
    ) -> Record:
        ends = self.intervals.get(name)
        return self.run.record(
            self.task,
            self.prefix + metric,
            scale * value,
            ends=None if ends is None else (scale * ends.low, scale * ends.high),
            interval=self.interval,
            n=self.count,
            unit=unit,
            higher_is_better=better,
        )


def _per_image(result: TideResult) -> torch.Tensor:
    """``(N, 6)`` float64 errors of each image by type."""
    o = result.fixes.overlaps
    kinds = [result.labels[o.places].numpy() == place + 1 for place in range(5)]
    owners = [*(o.images[kind] for kind in kinds), o.object_images[result.missed.numpy()]]
    columns = [np.bincount(owner, minlength=o.num_images) for owner in owners]
    return torch.from_numpy(np.stack(columns, 1)).double()


def _run(images: ObjectSource, about: About | None, seed: int, settings: Mapping[str, Any]) -> Run:
    if about is not None:
        checks.instance("about", about, About, "an instdisc.types.About or None")
    checks.whole("seed", seed, at_least=0)
    return Run(About(dataset=images.name).update(about), seed, settings=settings)
