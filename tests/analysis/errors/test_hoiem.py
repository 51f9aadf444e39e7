"""Hoiem et al.: every branch by hand, a naive loop, ranks by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from instdisc.analysis.errors import (
    COCO_SUPERCATEGORIES,
    HOIEM_TYPES,
    VOC_GROUPS,
    find_overlaps,
    hoiem,
    hoiem_of,
    similar_classes,
)
from instdisc.data import VOC_CLASSES

from . import naive
from .conftest import detections_of, objects_of, random_set

VECTORS = json.loads((Path(__file__).parent / "hoiem_vectors.json").read_text())
NAMES = (*HOIEM_TYPES, "Ignored")
CLASSES = ["cat", "dog", "car", "bottle"]  # of which the first two are similar


@pytest.fixture(scope="module")
def vectors():
    """The detections of the vectors one image after the other, and what becomes of them."""
    objects, detections, order = [], [], []
    parts = [*VECTORS["objects"], *VECTORS["detections"]]
    for image in dict.fromkeys(row[0] for row in parts):
        true = [row for row in VECTORS["objects"] if row[0] == image]
        found = [row for row in VECTORS["detections"] if row[0] == image]
        order += found
        objects.append(
            objects_of(
                [row[3:] for row in true],
                [VOC_CLASSES.index(row[1]) for row in true],
                difficult=[k for k, row in enumerate(true) if row[2]],
            )
        )
        detections.append(
            detections_of(
                [row[5:] for row in found],
                [VOC_CLASSES.index(row[1]) for row in found],
                [row[2] for row in found],
            )
        )
    result = hoiem(detections, objects, classes=VOC_CLASSES, expected=VECTORS["expected"])
    return result, order


def test_labels(vectors):
    result, order = vectors
    assert [NAMES[label] for label in result.labels.tolist()] == [row[3] for row in order]
    by_overlap = [NAMES[label] for label in result.labels_by_overlap.tolist()]
    assert by_overlap == [row[4] for row in order]


@pytest.mark.parametrize("name", VECTORS["per_class"])
def test_precisions_under_every_fix(vectors, name):
    result, _ = vectors
    label = VOC_CLASSES.index(name)
    for fix, expected in VECTORS["per_class"][name]["precisions"].items():
        tables = (result.per_class, result.normalised_per_class)
        assert [table[fix][label] for table in tables] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", VECTORS["per_class"])
def test_top_detections(vectors, name):
    result, _ = vectors
    expected = np.array([VECTORS["per_class"][name]["top"][kind] for kind in HOIEM_TYPES])
    shares = result.ranks.shares([1.0])[VOC_CLASSES.index(name), 0]
    assert shares * expected.sum() == pytest.approx(expected)


def test_top_is_the_mean_over_classes(vectors):
    result, _ = vectors
    shares = result.ranks.shares([1.0])[:, 0]
    assert result.ranks.top()[0] == pytest.approx(np.nanmean(shares, 0))
    assert result.average_precision == pytest.approx(np.nanmean(result.per_class[""]))


def test_labels_equal_a_naive_loop():
    similar = similar_classes(CLASSES)
    for seed in range(6):
        detections, objects = random_set(seed, difficult=0.2)
        result = hoiem(detections, objects, classes=CLASSES)
        expected = naive.hoiem(detections, objects, similar)
        assert [NAMES[label] for label in result.labels.tolist()] == expected


def test_precision_equals_a_naive_loop():
    detections, objects = random_set(3)
    result = hoiem(detections, objects, classes=CLASSES)
    labels = torch.cat([one.labels for one in detections]).numpy()
    scores = torch.cat([one.scores for one in detections]).numpy()
    marked = result.labels.numpy()
    counts = torch.cat([one.labels[~(one.difficult | one.crowd)] for one in objects]).bincount()
    for label in range(4):
        right = scores[(labels == label) & (marked == 0)]
        for fix, wrong in (("", (1, 2, 3, 4)), ("no Loc", (2, 3, 4)), ("only Sim", (2,))):
            false = scores[(labels == label) & np.isin(marked, wrong)]
            expected = naive.area(right, false, int(counts[label]))
            assert result.per_class[fix][label] == pytest.approx(expected, abs=1e-12)


def test_shares_and_recalls_by_hand():
    # A class of four objects; ranks: Cor, BG, Loc (weak hit of the second), Cor, ignored.
    boxes = [[100 * k, 0, 100 * k + 10, 10] for k in range(5)]
    true = objects_of(boxes, [0] * 5, difficult=[4])
    found = detections_of(
        [boxes[0], [50, 50, 60, 60], [105, 0, 115, 10], boxes[2], boxes[4]],
        [0] * 5,
        [0.9, 0.8, 0.7, 0.6, 0.5],
    )
    ranks = hoiem([found], [true], classes=["cat"]).ranks
    shares = ranks.shares([0.25, 0.5, 1.0, 2.0])[0]
    assert shares.tolist() == [
        [1, 0, 0, 0, 0],
        [0.5, 0, 0, 0, 0.5],
        [0.5, 0.25, 0, 0, 0.25],
        [0.5, 0.25, 0, 0, 0.25],  # the fifth does not count
    ]
    strong, weak = ranks.recalls([0.25, 1.0, 2.0])
    assert strong.tolist() == [[0.25, 0.5, 0.5]]
    assert weak.tolist() == [[0.25, 0.75, 0.75]]
    false = ranks.false_positives([1, 2, 3])[0]
    assert false[:2].tolist() == [[0, 0, 0, 1], [0.5, 0, 0, 0.5]]
    assert np.isnan(false[2]).all()


def test_repeated_images_weigh_in_the_top():
    detections, objects = random_set(5)
    ranks = hoiem(detections, objects, classes=CLASSES).ranks
    times = np.array([[3, 0, 1] * 4])
    rows = np.repeat(np.arange(12), times[0])
    again = hoiem([detections[k] for k in rows], [objects[k] for k in rows], classes=CLASSES).ranks
    assert ranks.top(times)[0] == pytest.approx(again.top()[0])
    assert ranks.top(np.ones((2, 12)))[1] == pytest.approx(ranks.top()[0])


def test_crowds_take_detections_out():
    true = objects_of([[0, 0, 100, 100], [200, 0, 210, 10]], [0, 0], crowd=[0])
    found = detections_of([[10, 10, 20, 20], [30, 30, 40, 40]], [0, 1], [0.9, 0.8])
    result = hoiem([found], [true], classes=["cat", "car"])
    assert [NAMES[label] for label in result.labels] == ["Ignored", "BG"]


def test_objects_that_it_mistook():
    true = objects_of([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], [0, 1, 2])
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [40, 0, 50, 10], [90, 0, 95, 5]]
    found = detections_of(boxes, [0] * 5, [0.9, 0.8, 0.7, 0.6, 0.5])
    result = hoiem([found], [true], classes=["cat", "dog", "car"])
    assert [NAMES[label] for label in result.labels] == list(HOIEM_TYPES)
    assert result.objects.tolist() == [0, 0, 1, 2, -1]


def test_similar_sets():
    table = similar_classes(VOC_CLASSES)
    index = VOC_CLASSES.index
    assert (table == table.T).all()
    assert not table.diagonal().any()
    pairs = [("person", "sheep"), ("car", "boat"), ("sofa", "chair"), ("bird", "aeroplane")]
    assert all(table[index(a), index(b)] for a, b in pairs)
    assert not table[index("person"), index("chair")]
    assert not table[index("bottle")].any()
    assert not table[index("tvmonitor")].any()
    assert set(VOC_GROUPS["animals"]) == {"bird", "cat", "cow", "dog", "horse", "sheep"}
    names = [name for group in COCO_SUPERCATEGORIES.values() for name in group]
    assert len(names) == len(set(names)) == 80
    table = similar_classes(names)
    assert table[names.index("zebra"), names.index("cat")]
    assert not table[names.index("person")].any()
    assert not similar_classes(["RBC", "WBC"]).any()
    assert similar_classes(["RBC", "WBC"], [["WBC", "RBC"]]).tolist() == [[0, 1], [1, 0]]


def test_refusals():
    detections, objects = random_set(0)
    with pytest.raises(ValueError, match=r"`similar` must be of classes.* got 'zebra'"):
        hoiem(detections, objects, classes=CLASSES, similar=[["cat", "zebra"]])
    with pytest.raises(ValueError, match="`weak` must be a finite number"):
        hoiem_of(find_overlaps(detections, objects, num_classes=4), classes=CLASSES, weak=0.6)
    with pytest.raises(ValueError, match="`strong` must be"):
        hoiem(detections, objects, classes=CLASSES, strong=0)
    with pytest.raises(ValueError, match="`expected` must be a finite number above 0"):
        hoiem(detections, objects, classes=CLASSES, expected=-1.0)
    overlaps = find_overlaps(detections, objects, num_classes=4)
    with pytest.raises(ValueError, match="`classes` must be the names of 4 classes"):
        hoiem_of(overlaps, classes=["cat"])
    ranks = hoiem(detections, objects, classes=CLASSES).ranks
    with pytest.raises(ValueError, match="`multiples` must be a finite number above 0"):
        ranks.shares([0.0])
    with pytest.raises(ValueError, match="`numbers` must be of at least one number"):
        ranks.false_positives([])
