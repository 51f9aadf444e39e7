"""Detections and objects for the tests of errors."""

import numpy as np
import pytest
import torch

from instdisc.types import Detections, Objects


def objects_of(boxes, labels, difficult=(), crowd=(), masks=None):
    """Objects of an image from lists; marks are the rows that have them."""
    count = len(labels)
    rows = torch.arange(count)
    return Objects(
        torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        masks,
        torch.isin(rows, torch.tensor(list(difficult), dtype=torch.int64)),
        torch.isin(rows, torch.tensor(list(crowd), dtype=torch.int64)),
    )


def detections_of(boxes, labels, scores, masks=None):
    """Detections of an image from lists."""
    return Detections(
        torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(scores, dtype=torch.float64),
        masks,
    )


def random_set(seed, *, images=12, num_classes=4, most=9, difficult=0.1, crowd=0.1):
    """Objects, and detections near them, of right and wrong classes; no two scores are equal."""
    rng = np.random.RandomState(seed)
    detections, objects = [], []
    for _ in range(images):
        count, number = rng.randint(0, 6), rng.randint(0, most)
        corners = rng.rand(count, 2) * 60
        boxes = np.concatenate([corners, corners + 8 + 30 * rng.rand(count, 2)], 1)
        labels = rng.randint(0, num_classes, count)
        marks = rng.rand(2, count) < np.array([[difficult], [crowd]])
        objects.append(
            objects_of(boxes, labels, np.flatnonzero(marks[0]), np.flatnonzero(marks[1]))
        )
        start = rng.rand(number, 2) * 60
        found = np.concatenate([start, start + 8 + 30 * rng.rand(number, 2)], 1)
        classes = rng.randint(0, num_classes, number)
        if count:
            near = rng.rand(number) < 0.75
            which = rng.randint(0, count, number)
            noise = rng.randn(number, 4) * rng.choice([1.0, 4.0, 9.0], (number, 1))
            found[near] = boxes[which[near]] + noise[near]
            found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
            same = rng.rand(number) < 0.7
            classes[same] = labels[which[same]]
        detections.append(detections_of(found, classes, rng.rand(number)))
    return detections, objects


@pytest.fixture
def sets():
    """Some random test sets."""
    return [random_set(seed) for seed in range(6)]
