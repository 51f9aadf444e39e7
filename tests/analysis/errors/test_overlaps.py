"""Pairs that overlap: torchvision, pycocotools, dense masks, and what is refused."""

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from instdisc.analysis.errors import find_overlaps, pairs
from instdisc.types import Detections

from .conftest import detections_of, objects_of, random_set


def dense(overlaps):
    table = np.zeros((len(overlaps.labels), len(overlaps.object_labels)))
    table[overlaps.detection, overlaps.object] = overlaps.iou
    return table


def test_boxes_equal_torchvision(sets):
    for detections, objects in sets:
        overlaps = find_overlaps(detections, objects, num_classes=4)
        crowd = np.concatenate([one.crowd.numpy() for one in objects])
        expected = np.zeros((len(overlaps.labels), len(crowd)))
        start = np.zeros(2, dtype=int)
        for d, o in zip(detections, objects, strict=True):
            order = d.scores.argsort(descending=True)
            block = box_iou(d.boxes[order], o.boxes).numpy()
            expected[start[0] : start[0] + len(block), start[1] : start[1] + block.shape[1]] = block
            start += block.shape
        table = dense(overlaps)
        assert np.allclose(table[:, ~crowd], expected[:, ~crowd], atol=1e-12)


def test_crowds_are_measured_by_the_detection():
    true = objects_of([[0, 0, 100, 10]], [0], crowd=[0])
    other = objects_of([[0, 0, 1, 1]], [0])
    found = detections_of([[90, 0, 110, 10]], [0], [0.5])
    overlaps = find_overlaps([found, found], [true, other], num_classes=1)
    assert overlaps.iou.tolist() == [0.5]


def test_masks_equal_dense_ones():
    generator = torch.Generator().manual_seed(0)
    detections, objects = [], []
    for count, number in ((3, 4), (0, 2), (2, 0), (4, 5)):
        masks = torch.rand(count + number, 12, 9, generator=generator) > 0.6
        boxes = [[0, 0, 1, 1]]
        detections.append(
            detections_of(
                boxes * number, [0] * number, np.linspace(0.1, 0.9, number), masks[:number]
            )
        )
        crowd = [0] if count == 4 else []
        objects.append(objects_of(boxes * count, [0] * count, crowd=crowd, masks=masks[number:]))
    overlaps = find_overlaps(detections, objects, num_classes=1, kind="mask", most=3)
    table, row, column = dense(overlaps), 0, 0
    for d, o in zip(detections, objects, strict=True):
        found = d.masks[d.scores.argsort(descending=True)][:3].flatten(1).double()
        true = o.masks.flatten(1).double()
        shared = found @ true.T
        sizes = found.sum(1)[:, None] + torch.where(o.crowd, 0, true.sum(1) - shared)
        block = table[row : row + len(found), column : column + len(true)]
        assert np.allclose(block, (shared / sizes).numpy(), atol=1e-12)
        row, column = row + len(found), column + len(true)


def test_pairs_come_in_parts(monkeypatch, sets):
    whole = find_overlaps(*sets[1], num_classes=4)
    monkeypatch.setattr(pairs, "_AT_ONCE", 3)
    parts = find_overlaps(*sets[1], num_classes=4)
    for ours, theirs in zip(whole, parts, strict=True):
        assert np.array_equal(ours, theirs)


def test_least_drops_pairs_alone(sets):
    whole, few = (find_overlaps(*sets[2], num_classes=4, least=least) for least in (0, 0.3))
    assert np.array_equal(few.iou, whole.iou[whole.iou >= 0.3])
    assert np.array_equal(few.labels, whole.labels)


def test_float32_boxes_and_half_scores():
    boxes, label = torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([0])
    found = Detections(boxes, label, torch.tensor([0.5], dtype=torch.float16), None)
    overlaps = find_overlaps([found], [objects_of([[0, 0, 10, 10]], [0])], num_classes=1)
    assert overlaps.iou.tolist() == [1.0]
    assert overlaps.scores.tolist() == [0.5]


def test_detections_left_out_are_said_once(caplog):
    found = detections_of([[0, 0, 1, 1]] * 5, [0] * 5, [0.5] * 5)
    for _ in range(2):
        find_overlaps([found], [objects_of([[0, 0, 1, 1]], [0])], num_classes=1, most=2)
    said = [record.message for record in caplog.records]
    assert [text for text in said if "3 of 5 detections are left out" in text][1:] == []
    assert any("3 of 5 detections are left out" in text for text in said)


def broken(part, field, value, place=1):
    """A test set in which something of the second image is wrong."""
    detections, objects = random_set(0, images=3, most=4, difficult=0, crowd=0)
    detections[place] = detections_of([[0, 0, 5, 5]], [0], [0.5])
    objects[place] = objects_of([[0, 0, 5, 5]], [0])
    sides = {"detections": detections, "objects": objects}
    sides[part][place] = sides[part][place]._replace(**{field: value})
    return detections, objects


@pytest.mark.parametrize(
    ("part", "field", "value", "kind", "message"),
    [
        ("detections", "boxes", torch.tensor([[0, 0, float("nan"), 5]]), ValueError,
         r"`detections\[1\]\.boxes` must be finite, got \[0\.0, 0\.0, nan"),
        ("objects", "boxes", torch.tensor([[0, 0, float("inf"), 5]]), ValueError,
         r"`objects\[1\]\.boxes` must be finite"),
        ("objects", "boxes", torch.tensor([[5.0, 0, 1, 5]]), ValueError,
         r"`objects\[1\]\.boxes` must be left, top, right, bottom"),
        ("detections", "boxes", torch.zeros(1, 3), ValueError,
         r"`detections\[1\]\.boxes` must be a tensor \(N, 4\)"),
        ("detections", "boxes", torch.zeros(1, 4, dtype=torch.int64), TypeError,
         r"`detections\[1\]\.boxes` must be of torch.float32"),
        ("detections", "scores", torch.tensor([float("nan")]), ValueError,
         r"`detections\[1\]\.scores` must be finite, got nan"),
        ("detections", "scores", torch.zeros(2), ValueError,
         r"`detections\[1\]\.scores` must be a tensor \(1,\)"),
        ("detections", "labels", torch.tensor([4]), ValueError,
         r"`detections\[1\]\.labels` must be classes, 0 to 3, got 4"),
        ("detections", "labels", torch.tensor([-1]), ValueError, "classes, 0 to 3, got -1"),
        ("objects", "labels", torch.tensor([-1]), ValueError,
         r"`objects\[1\]\.labels` must be classes"),
        ("objects", "labels", torch.tensor([0.0]), TypeError,
         r"`objects\[1\]\.labels` must be of torch.int64"),
        ("objects", "crowd", torch.zeros(2, dtype=torch.bool), ValueError,
         r"`objects\[1\]\.crowd` must be a tensor \(1,\)"),
    ],
)  # fmt: skip
def test_what_is_refused(part, field, value, kind, message):
    with pytest.raises(kind, match=message):
        find_overlaps(*broken(part, field, value), num_classes=4)


def test_more_that_is_refused(sets):
    detections, objects = sets[0]
    with pytest.raises(ValueError, match="`detections` must be of the 12 images"):
        find_overlaps(detections[1:], objects, num_classes=4)
    with pytest.raises(ValueError, match="`kind` must be one of 'box', 'mask'"):
        find_overlaps(detections, objects, num_classes=4, kind="boxes")
    with pytest.raises(ValueError, match="`most` must be a whole number"):
        find_overlaps(detections, objects, num_classes=4, most=0)
    with pytest.raises(TypeError, match="`detections` must be a sequence of Detections"):
        find_overlaps([None, *detections[1:]], objects, num_classes=4)
    with pytest.raises(ValueError, match=r"`objects` must be at least one that is neither"):
        find_overlaps([detections[0]], [objects_of([[0, 0, 1, 1]], [0], [0])], num_classes=4)
    with pytest.raises(ValueError, match=r"`objects` must be at least one.* got '0 in 1 images'"):
        find_overlaps([detections[0]], [objects_of([], [])], num_classes=4)


def test_masks_that_are_refused():
    true = objects_of([[0, 0, 2, 2]], [0], masks=torch.ones(1, 4, 4, dtype=torch.bool))
    found = detections_of([[0, 0, 2, 2]], [0], [0.5], torch.ones(1, 4, 4, dtype=torch.bool))
    for lacking, message in (
        ((found._replace(masks=None), true), r"`detections\[0\]\.masks` must be there"),
        ((found, true._replace(masks=None)), r"`objects\[0\]\.masks` must be there"),
        ((found._replace(masks=found.masks[:, :2]), true), r"must be \[4, 4\] in height and width"),
    ):
        with pytest.raises(ValueError, match=message):
            find_overlaps([lacking[0]], [lacking[1]], num_classes=1, kind="mask")
