"""Rows of the benchmark: the errors of detections, beside the package tidecv where it is there."""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from instdisc.analysis.errors import tide
from instdisc.types import Detections, Objects

Contenders = dict[str, Callable[[], Any]]
_CLASSES, _OBJECTS, _SIDE = 80, 7.2, (640, 480)  # as COCO's validation set


def errors(options: argparse.Namespace) -> Contenders:
    """Six types of errors and their average precisions, from detections in memory."""
    detections, objects = _test_set(options.error_images, options.error_detections)

    def ours() -> None:
        tide(detections, objects, num_classes=_CLASSES)

    try:
        import tidecv
    except ImportError:
        return {"ours": ours}
    true, detected = _for_peer(tidecv, detections, objects)

    def theirs() -> tuple[float, list[int]]:
        run = tidecv.TIDERun(true, detected, 0.5, 0.1, tidecv.TIDE.BOX, 100)
        run.fix_main_errors(), run.fix_special_errors()
        return run.ap, list(run.count_errors().values())

    result = tide(detections, objects, num_classes=_CLASSES)
    precision, counts = theirs()
    own_counts = list(result.counts.values())
    if abs(precision - 100 * result.average_precision) > 1e-6 or counts != own_counts:
        raise RuntimeError(f"the contenders disagree: {precision, counts} and {result[:1]}")
    return {"tidecv": lambda: theirs() and None, "ours": ours}


def _test_set(images: int, number: int) -> tuple[list[Detections], list[Objects]]:
    """Objects of uneven classes, and detections near them and elsewhere."""
    rng = np.random.default_rng(0)
    frequency = 1 / np.arange(1, _CLASSES + 1) ** 0.8
    frequency /= frequency.sum()

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        low = rng.random((count, 2)) * _SIDE * np.array(0.7)
        boxes = np.concatenate([low, low + 10 + 200 * rng.random((count, 2)) ** 2], 1)
        return boxes, rng.choice(_CLASSES, count, p=frequency)

    detections, objects = [], []
    for _ in range(images):
        true, labels = draw(rng.poisson(_OBJECTS))
        no = torch.zeros(len(labels), dtype=torch.bool)
        objects.append(
            Objects(torch.from_numpy(true).float(), torch.from_numpy(labels), None, no, no)
        )
        detected, classes = draw(number)
        if len(labels):
            near = rng.random(number) < 0.7
            which = rng.integers(len(labels), size=number)
            sizes = np.tile(true[:, 2:] - true[:, :2], 2)[which]
            noise = rng.normal(size=(number, 4)) * rng.choice([0.02, 0.1, 0.4], (number, 1)) * sizes
            detected[near] = (true[which] + noise)[near]
            detected[:, 2:] = np.maximum(detected[:, 2:], detected[:, :2] + 1)
            same = near & (rng.random(number) < 0.8)
            classes[same] = labels[which[same]]
        scores = np.sort(rng.random(number))[::-1].copy()
        boxes, scores = (torch.from_numpy(part).float() for part in (detected, scores))
        detections.append(Detections(boxes, torch.from_numpy(classes), scores, None))
    return detections, objects


def _for_peer(
    package: Any, detections: list[Detections], objects: list[Objects]
) -> tuple[Any, Any]:
    true, detected = package.Data("true"), package.Data("detected")
    for image, (d, o) in enumerate(zip(detections, objects, strict=True)):
        true.add_image(image, str(image))
        for part, add in ((o, true.add_ground_truth), (d, detected.add_detection)):
            sides = torch.cat([part.boxes[:, :2], part.boxes[:, 2:] - part.boxes[:, :2]], 1)
            scores = [] if part is o else [[score] for score in part.scores.tolist()]
            rest = scores or [[]] * len(sides)
            for box, label, score in zip(sides.tolist(), part.labels.tolist(), rest, strict=True):
                add(image, label, *score, box)
    return true, detected
