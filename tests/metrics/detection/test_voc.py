"""VOC's average precision: hand-made cases, and the devkit's steps one by one."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from instdisc.metrics.detection import VOCAveragePrecision, voc_average_precision
from instdisc.metrics.detection.voc import VOC_THRESHOLDS
from instdisc.types import Detections, Objects

SQUARE = (0, 0, 10, 10)
FAR = (50, 50, 60, 60)


def objects(*rows):
    """Rows of box, label and whether it is difficult."""
    sides = torch.tensor([row[0] for row in rows], dtype=torch.float32).reshape(-1, 4)
    marks = torch.tensor([row[2] for row in rows], dtype=torch.bool)
    labels = torch.tensor([row[1] for row in rows], dtype=torch.int64)
    return Objects(sides, labels, None, marks, torch.zeros_like(marks))


def detections(*rows):
    """Rows of box, label and score."""
    sides = torch.tensor([row[0] for row in rows], dtype=torch.float32).reshape(-1, 4)
    labels = torch.tensor([row[1] for row in rows], dtype=torch.int64)
    return Detections(sides, labels, torch.tensor([float(row[2]) for row in rows]), None)


def ap(found, true, rule="every_point", threshold=0.5, classes=1):
    result = voc_average_precision(found, true, num_classes=classes, rule=rule)
    return result.mean(threshold)


def naive(found, true, label, threshold, rule):
    """The devkit's loop, on whole pixels counted from 1 whose last one belongs to the box."""

    def pixels(box):
        left, top, right, bottom = (float(value) for value in box)
        return left + 1, top + 1, right, bottom

    def overlap(a, b):
        width = min(a[2], b[2]) - max(a[0], b[0]) + 1
        height = min(a[3], b[3]) - max(a[1], b[1]) + 1
        if width <= 0 or height <= 0:
            return 0.0
        areas = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
        return width * height / (sum(areas) - width * height)

    rows = [
        (-float(score), image, pixels(box))
        for image, one in enumerate(found)
        for box, own, score in zip(one.boxes, one.labels, one.scores, strict=True)
        if own == label
    ]
    count = sum(int(((one.labels == label) & ~one.difficult).sum()) for one in true)
    taken, hits, misses, curve = set(), 0, 0, []
    for _, image, box in sorted(rows, key=lambda row: row[0]):
        best, nearest = 0.0, None
        for position, other in enumerate(true[image].boxes):
            if true[image].labels[position] == label and overlap(box, pixels(other)) > best:
                best, nearest = overlap(box, pixels(other)), position
        if best > threshold and true[image].difficult[nearest]:
            continue
        if best > threshold and (image, nearest) not in taken:
            taken.add((image, nearest))
            hits += 1
        else:
            misses += 1
        curve.append((Fraction(hits, count), hits / (hits + misses)))
    if rule == "detectron2":
        total = 0.0
        for t in np.arange(0.0, 1.1, 0.1):  # its loop, in floating point
            total += max((p for r, p in curve if float(r) >= t), default=0.0) / 11
        return total
    if rule == "devkit":
        levels = [Fraction(k, 10) for k in range(11)]
        return sum(max((p for r, p in curve if r >= k), default=0.0) for k in levels) / 11
    area, before = 0.0, Fraction(0)
    for recall in sorted({r for r, _ in curve}):
        area += float(recall - before) * max(p for r, p in curve if r >= recall)
        before = recall
    return area


RULES = {
    "detectron2": {},
    "devkit": {"levels": "devkit"},
    "every_point": {"rule": "every_point"},
}


@pytest.mark.parametrize("rule", list(RULES))
def test_equals_the_naive_loop(rule):
    found, true = [], []
    for _ in range(30):
        corners = torch.randint(0, 20, (6, 2)).float()
        truth = torch.cat([corners, corners + torch.randint(3, 12, (6, 2))], 1)
        labels = torch.randint(0, 3, (6,))
        marks = torch.rand(6) < 0.2
        true.append(Objects(truth, labels, None, marks, torch.zeros(6, dtype=torch.bool)))
        moved = truth.repeat(2, 1) + torch.randint(-2, 3, (12, 4))
        keep = torch.rand(12) < 0.7
        scores = torch.rand(12).sort(descending=True).values
        swapped = torch.where(torch.rand(12) < 0.2, 0, labels.repeat(2))
        found.append(Detections(moved[keep], swapped[keep], scores[keep], None))
    result = voc_average_precision(found, true, num_classes=3, **RULES[rule])
    for row, threshold in enumerate(VOC_THRESHOLDS):
        for label in range(3):
            expected = naive(found, true, label, threshold, rule)
            assert float(result.per_class[row, label]) == pytest.approx(expected, abs=1e-12)
    assert result.mean() == pytest.approx(float(result.per_class.mean()))
    assert 0.1 < result.mean(0.5) < 0.95


def test_a_wrong_one_before_the_right_one():
    found = [detections((FAR, 0, 0.9), (SQUARE, 0, 0.8))]
    true = [objects((SQUARE, 0, False))]
    assert ap(found, true) == ap(found, true, "eleven_points") == 0.5


def test_half_of_the_objects():
    true = [objects((SQUARE, 0, False), (FAR, 0, False))]
    found = [detections((SQUARE, 0, 0.9))]
    assert ap(found, true) == 0.5
    assert ap(found, true, "eleven_points") == pytest.approx(6 / 11)  # 0, 0.1, ..., 0.5


@pytest.mark.parametrize("rule", ["detectron2", "devkit"])
@pytest.mark.parametrize("count", [1, 3, 10, 20, 30])
def test_levels_at_every_recall(rule, count):
    places = [(20 * k, 0, 20 * k + 10, 10) for k in range(count)]
    true = [objects(*((place, 0, False) for place in places))]
    for hits in range(1, count + 1):
        found = [detections(*((place, 0, 0.9 - k / 100) for k, place in enumerate(places[:hits])))]
        expected = naive(found, true, 0, 0.5, rule)
        result = voc_average_precision(found, true, num_classes=1, **RULES[rule])
        assert result.mean(0.5) == pytest.approx(expected, abs=1e-12), (hits, count)


def test_recalls_that_floating_point_misses():
    places = [(20 * k, 0, 20 * k + 10, 10) for k in range(10)]
    true = [objects(*((place, 0, False) for place in places))]
    values = {}
    for rule in ("detectron2", "devkit"):
        for hits in range(11):
            found = [detections(*((place, 0, 0.9) for place in places[:hits]))]
            result = voc_average_precision(found, true, num_classes=1, **RULES[rule])
            values[rule, hits] = round(11 * result.mean(0.5))
    assert [values["devkit", hits] for hits in range(11)] == [0, *range(2, 12)]
    assert [values["detectron2", hits] for hits in range(11)] == [0, 2, 3, 3, 5, 6, 6, 7, 9, 10, 11]


def test_a_second_detection_of_an_object_is_wrong():
    true = [objects((SQUARE, 0, False), (FAR, 0, False))]
    found = [detections((SQUARE, 0, 0.9), (SQUARE, 0, 0.8), (FAR, 0, 0.7))]
    assert ap(found, true) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_no_second_choice_among_objects():
    # Both look at the left object, as the devkit does; the right one stays unfound.
    true = [objects((SQUARE, 0, False), ((2, 0, 12, 10), 0, False))]
    found = [detections((SQUARE, 0, 0.9), ((0, 0, 11, 10), 0, 0.8))]
    assert ap(found, true) == 0.5


def test_difficult_objects_do_not_count():
    true = [objects((SQUARE, 0, False), (FAR, 0, True))]
    assert ap([detections((SQUARE, 0, 0.9))], true) == 1
    assert ap([detections((FAR, 0, 0.9), (FAR, 0, 0.85), (SQUARE, 0, 0.8))], true) == 1


def test_crowds_do_not_count():
    true = [objects((SQUARE, 0, False), (FAR, 0, False))]
    true[0].crowd[1] = True
    assert ap([detections((FAR, 0, 0.9), (SQUARE, 0, 0.8))], true) == 1


def test_the_overlap_must_exceed_the_threshold():
    found, true = [detections(((0, 0, 10, 5), 0, 0.9))], [objects((SQUARE, 0, False))]
    assert ap(found, true) == 0
    assert ap([detections(((0, 0, 10, 6), 0, 0.9))], true) == 1


def test_pixels_count_as_in_the_devkit():
    # Pixels 1..4 against 2..5 of a line: 3 shared of 5. Without the +1 it would be 2 of 4 = 0.5.
    found, true = [detections(((0, 0, 4, 1), 0, 0.9))], [objects(((1, 0, 5, 1), 0, False))]
    assert ap(found, true, threshold=0.55) == 1
    assert ap(found, true, threshold=0.6) == 0


def test_classes_are_apart():
    true = [objects((SQUARE, 0, False), (FAR, 1, False))]
    found = [detections((SQUARE, 1, 0.9), (SQUARE, 0, 0.8), (FAR, 1, 0.5))]
    result = voc_average_precision(found, true, num_classes=3, rule="every_point")
    assert result.per_class[0, :2].tolist() == [1, 0.5]
    assert result.per_class[:, 2].isnan().all()
    assert result.mean(0.5) == 0.75


def test_images_without_objects_or_detections():
    empty, none = detections(), objects()
    assert ap([empty, detections((SQUARE, 0, 0.9))], [none, objects((SQUARE, 0, False))]) == 1
    assert ap([detections((SQUARE, 0, 0.9)), empty], [none, objects((SQUARE, 0, False))]) == 0


def test_equal_scores_go_by_image_in_any_order_of_the_batches():
    images = [
        (detections((FAR, 0, 0.5)), objects((SQUARE, 0, False))),
        (detections((SQUARE, 0, 0.5)), objects((SQUARE, 0, False))),
    ]
    values = []
    for order in ([0, 1], [1, 0]):
        metric = VOCAveragePrecision(1)
        for index in order:
            metric.update([images[index][0]], [images[index][1]], torch.tensor([index]))
        values.append(metric.compute().mean())
    assert values[0] == values[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: VOCAveragePrecision(0),
            "`num_classes` must be a whole number of at least 1, got 0",
        ),
        (
            lambda: VOCAveragePrecision(1, rule="all"),
            "`rule` must be one of 'eleven_points', .* 'all'",
        ),
        (
            lambda: VOCAveragePrecision(1, thresholds=[1.0]),
            "`thresholds` must be .* of at least 0 and below 1, got 1.0",
        ),
        (
            lambda: VOCAveragePrecision(1).update([], [objects()], torch.tensor([0])),
            "must be of the same images, got 0, 1 and 1",
        ),
        (
            lambda: VOCAveragePrecision(1).update(
                [detections((SQUARE, 1, 0.9))], [objects()], torch.tensor([0])
            ),
            r"`detections\[0\].labels` must be classes from 0 to 0, got 1",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
