"""TIDE: published vectors, the COCO sample, a naive loop, another package where it is installed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from instdisc.analysis.errors import TIDE_TYPES, find_overlaps, tide, tide_of
from instdisc.data import COCOObjects
from instdisc.metrics import RunLengths, decode_masks
from instdisc.types import Detections

from . import naive
from .conftest import detections_of, objects_of, random_set

FOLDER = Path(__file__).parent
VECTORS = json.loads((FOLDER / "tide_vectors.json").read_text())
VECTORS.pop("about")
COCO = json.loads((FOLDER / "tide_coco.json").read_text())
NAMES = ("TP", *TIDE_TYPES[:5])


def corners(row):
    left, top, width, height = row
    return [left, top, left + width, top + height]


def vector_set(vector):
    """The images of a vector, and which of its detections come one after the other."""
    parts = [*vector["objects"], *vector["crowds"], *vector["detections"]]
    detections, objects, order = [], [], []
    for image in sorted({row[0] for row in parts}):
        true, crowds = (
            [row for row in vector[name] if row[0] == image] for name in ("objects", "crowds")
        )
        rows = [k for k, row in enumerate(vector["detections"]) if row[0] == image]
        found = [vector["detections"][k] for k in rows]
        order += rows
        objects.append(
            objects_of(
                [corners(row[2:]) for row in true + crowds],
                [row[1] for row in true + crowds],
                crowd=range(len(true), len(true + crowds)),
            )
        )
        detections.append(
            detections_of(
                [corners(row[3:]) for row in found],
                [row[1] for row in found],
                [row[2] for row in found],
            )
        )
    return detections, objects, order


def check_numbers(result, expected, *, within):
    percent = [100 * gain for gain in result.gains.values()]
    assert list(result.gains) == list(result.counts) == list(TIDE_TYPES)
    assert 100 * result.average_precision == pytest.approx(expected["ap"], abs=within)
    assert percent == pytest.approx(expected["gains"], abs=within)
    special = [100 * result.false_positives, 100 * result.false_negatives]
    assert special == pytest.approx(expected["special"], abs=within)
    assert list(result.counts.values()) == expected["counts"]
    mended = [int((result.mended & (result.labels == 1 + k)).sum()) for k in (0, 1)]
    assert mended == expected["mended"]


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name):
    vector = VECTORS[name]
    detections, objects, order = vector_set(vector)
    result = tide(detections, objects, num_classes=8)
    check_numbers(result, vector, within=1e-7)
    labels = [vector["labels"][k] for k in order]
    assert [NAMES[label] for label in result.labels.tolist()] == labels
    assert result.ignored.tolist() == [vector["ignored"][k] for k in order]
    counts = torch.cat([~one.crowd for one in objects])
    assert int((counts & ~result.matched).sum()) == vector["unmatched"]
    for label, value in enumerate(result.per_class.tolist()):
        if str(label) in vector["per_class"]:
            assert 100 * value == pytest.approx(vector["per_class"][str(label)], abs=1e-7)
        else:
            assert np.isnan(value)


def coco_sample(folder, kind, tie_free):
    """The set, and its fake detections with scores in float64."""
    source = COCOObjects(folder / "instances_val2014_100.json", masks=kind == "segm")
    rows = json.loads((folder / f"instances_val2014_fake{kind}100_results.json").read_text())
    label = {number: k for k, number in enumerate(source.category_ids)}
    detections = []
    for place, image in enumerate(source.image_ids):
        own = [(k, row) for k, row in enumerate(rows) if row["image_id"] == image]
        scores = [row["score"] - (k * 1e-9 if tie_free else 0) for k, row in own]
        labels = [label[row["category_id"]] for _, row in own]
        if kind == "bbox":
            boxes, masks = [corners(row["bbox"]) for _, row in own], None
        else:
            runs = [row["segmentation"]["counts"].encode() for _, row in own]
            boxes = [[0, 0, 1, 1]] * len(own)
            masks = decode_masks(RunLengths(tuple(source.sizes[place].tolist()), runs))
        detections.append(detections_of(boxes, labels, scores, masks))
    return source, detections


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("tie_free", [True, False])
def test_the_sample_of_coco(real_data, kind, tie_free):
    source, detections = coco_sample(real_data("coco_eval_oracle"), kind, tie_free)
    objects = [source.objects(place) for place in range(len(source))]
    result = tide(
        detections,
        objects,
        num_classes=len(source.classes),
        kind="box" if kind == "bbox" else "mask",
    )
    expected = COCO[kind + "_tie_free" * tie_free]
    # With equal scores the order decides, which no two programs share.
    check_numbers(result, expected, within=1e-6 if tie_free else 1e-2)
    for number, value in zip(source.category_ids, result.per_class.tolist(), strict=True):
        if str(number) in expected["per_class"]:
            assert 100 * value == pytest.approx(expected["per_class"][str(number)], abs=1e-6)
        else:
            assert np.isnan(value)
    assert int((result.labels == 0).sum()) == expected["right"]


def package_numbers(package, detections, objects):
    """AP, gains, special gains and counts by the package tidecv."""
    true, found = package.Data("true"), package.Data("found")
    for image, (d, o) in enumerate(zip(detections, objects, strict=True)):
        true.add_image(image, str(image))
        sides = [(b[0], b[1], b[2] - b[0], b[3] - b[1]) for b in o.boxes.double().tolist()]
        for box, label, crowd in zip(sides, o.labels.tolist(), o.crowd.tolist(), strict=True):
            add = true.add_ignore_region if crowd else true.add_ground_truth
            add(image, label, list(box))
        sides = [(b[0], b[1], b[2] - b[0], b[3] - b[1]) for b in d.boxes.double().tolist()]
        for box, label, score in zip(sides, d.labels.tolist(), d.scores.tolist(), strict=True):
            found.add_detection(image, label, score, list(box))
    run = package.TIDERun(true, found, 0.5, 0.1, package.TIDE.BOX, 100)
    return {
        "ap": run.ap,
        "gains": list(run.fix_main_errors().values()),
        "special": list(run.fix_special_errors().values()),
        "counts": list(run.count_errors().values()),
    }


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_package(seed):
    package = pytest.importorskip("tidecv", exc_type=ImportError)
    detections, objects = random_set(seed, difficult=0)
    theirs = package_numbers(package, detections, objects)
    ours = tide(detections, objects, num_classes=4)
    mended = [int((ours.mended & (ours.labels == 1 + k)).sum()) for k in (0, 1)]
    check_numbers(ours, {**theirs, "mended": mended}, within=1e-8)


# What tidecv 1.0.1 gives for `random_set(seed, difficult=0)`: AP, gains, special gains, counts.
STORED = {
    0: (
        [
            *(12.5882052491, 1.8819739117, 17.244581601, 0.0917262056, 0.1031353135, 1.6917227437),
            *(10.5109618105, 12.9068442559, 28.3818560427),
        ],
        [2, 12, 7, 2, 16, 16],
    ),
    1: (
        [
            *(23.3451202263, 5.2731344563, 11.700420042, 2.8622505108, 0.0, 6.8411126827),
            *(14.9599245639, 21.9519094767, 26.1515794437),
        ],
        [2, 7, 3, 0, 15, 16],
    ),
    2: (
        [
            *(10.3930393039, 10.0, 15.3120312031, 0.1845184518, 0.0, 5.2422742274),
            *(5.295529553, 20.5475547555, 11.7761776178),
        ],
        [4, 10, 7, 0, 24, 9],
    ),
    3: (
        [
            *(
                24.9888931201,
                0.2210042433,
                21.2441869187,
                0.2210042433,
                1.2703446458,
                19.57734922,
            ),
            *(4.5887281036, 38.8724930185, 12.8395531861),
        ],
        [1, 12, 1, 8, 32, 3],
    ),
}


@pytest.mark.parametrize("seed", STORED)
def test_equals_what_the_package_gave(seed):
    detections, objects = random_set(seed, difficult=0)
    ours = tide(detections, objects, num_classes=4)
    numbers = [ours.average_precision, *ours.gains.values()]
    numbers += [ours.false_positives, ours.false_negatives]
    assert [100 * number for number in numbers] == pytest.approx(STORED[seed][0], abs=1e-7)
    assert list(ours.counts.values()) == STORED[seed][1]


def test_equals_a_naive_loop(sets):
    for detections, objects in sets:
        result = tide(detections, objects, num_classes=4)
        value, gains, counts, labels = naive.tide(detections, objects)
        ours = [*result.gains.values(), result.false_positives, result.false_negatives]
        assert result.average_precision == pytest.approx(value, abs=1e-12)
        assert ours == pytest.approx(gains, abs=1e-12)
        assert list(result.counts.values()) == counts
        assert [NAMES[label] for label in result.labels.tolist()] == labels


def test_other_thresholds_equal_a_naive_loop():
    detections, objects = random_set(9)
    result = tide(detections, objects, num_classes=4, threshold=0.7, background=0.3)
    value, gains, counts, _ = naive.tide(detections, objects, 0.7, 0.3)
    assert result.average_precision == pytest.approx(value, abs=1e-12)
    assert list(result.gains.values()) == pytest.approx(gains[:6], abs=1e-12)
    assert list(result.counts.values()) == counts


def test_order_and_size_do_not_matter(sets):
    detections, objects = sets[0]
    first = tide(detections, objects, num_classes=4)
    turned = [Detections(*(c.flip(0) for c in d[:3]), None) for d in detections][::-1]
    again = tide(turned, objects[::-1], num_classes=4)
    # Powers of two, so that no bit of an overlap changes.
    larger = [[one._replace(boxes=one.boxes * 8) for one in part] for part in (detections, objects)]
    scaled = tide(*larger, num_classes=4)
    for other in (again, scaled):
        assert other.gains == pytest.approx(first.gains, abs=1e-12)
        assert other.counts == first.counts
    assert again.labels.flip(0).tolist() == first.labels.tolist()


def test_perfect_detections_leave_nothing_to_mend():
    _, objects = random_set(1, difficult=0, crowd=0)
    perfect = [
        detections_of(one.boxes.tolist(), one.labels.tolist(), [0.9] * len(one.labels))
        for one in objects
    ]
    result = tide(perfect, objects, num_classes=4)
    assert result.average_precision == 1
    assert set(result.gains.values()) == {0.0}
    assert set(result.counts.values()) == {0}


def test_objects_that_it_hit():
    true = objects_of([[0, 0, 10, 10], [20, 0, 30, 10]], [0, 1])
    found = detections_of(
        [[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [50, 0, 60, 9], [6, 0, 16, 10]],
        [0, 0, 0, 0, 0],
        [0.9, 0.8, 0.7, 0.6, 0.5],
    )
    result = tide([found], [true], num_classes=2)
    assert [NAMES[k] for k in result.labels] == ["TP", "Dupe", "Cls", "Bkg", "Loc"]
    assert result.objects.tolist() == [0, 0, 1, -1, 0]
    assert result.mended.tolist() == [False, False, True, False, False]
    assert result.matched.tolist() == [True, False]
    assert not result.missed.any()


def test_difficult_objects_take_detections_out():
    true = objects_of([[0, 0, 10, 10], [20, 0, 30, 10]], [0, 0], difficult=[1])
    found = detections_of([[20, 0, 30, 10], [0, 0, 10, 10]], [0, 0], [0.9, 0.8])
    result = tide([found], [true], num_classes=1)
    assert result.average_precision == 1
    assert result.ignored.tolist() == [True, False]


def test_a_fix_that_leaves_nothing_to_find():
    result = tide([detections_of([], [], [])], [objects_of([[0, 0, 9, 9]], [0])], num_classes=1)
    assert result.average_precision == result.gains["Miss"] == result.false_negatives == 0
    assert result.counts["Miss"] == 1


def test_the_most_of_an_image():
    true = objects_of([[0, 0, 10, 10]], [0])
    found = detections_of(
        [[40, 0, 50, 10], [0, 0, 10, 10], [60, 0, 70, 10]], [0] * 3, [0.2, 0.9, 0.5]
    )
    result = tide([found], [true], num_classes=1, most=2)
    assert result.labels.tolist() == [-1, 0, 5]
    assert tide([found], [true], num_classes=1, most=None).counts["Bkg"] == 2


def test_refusals(sets):
    detections, objects = sets[0]
    with pytest.raises(ValueError, match="`threshold` must be a finite number above 0 and at most"):
        tide(detections, objects, num_classes=4, threshold=1.5)
    with pytest.raises(ValueError, match="`background` must be a finite number"):
        tide(detections, objects, num_classes=4, background=0.5)
    with pytest.raises(ValueError, match="`background`"):
        tide(detections, objects, num_classes=4, background=0)
    overlaps = find_overlaps(detections, objects, num_classes=4, least=0.3)
    with pytest.raises(ValueError, match=r"`background` must be .* of at least 0\.3"):
        tide_of(overlaps)
