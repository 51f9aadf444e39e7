"""What no metric takes: NaN and infinity, labels out of range, other dtypes and shapes."""

import pytest
import torch

from instdisc.metrics import (
    CalibrationError,
    COCOAveragePrecision,
    KNNAccuracy,
    LandmarkErrors,
    MeanPerClassAccuracy,
    SegmentationScores,
    VOCAveragePrecision,
    accuracy,
    area_under_curve,
    calibration_error,
    class_iou,
    coco_average_precision,
    confusion_matrix,
    cumulative_errors,
    failure_rate,
    image_errors,
    knn_scores,
    landmark_errors,
    mean_error,
    mean_iou,
    mean_per_class_accuracy,
    point_errors,
    voc_average_precision,
)
from instdisc.types import Detections, Objects

nan, inf = float("nan"), float("inf")
BOX, ZERO = torch.tensor([[0.0, 0.0, 9.0, 9.0]]), torch.tensor([0])
NO = torch.zeros(1, dtype=torch.bool)
FOUND, TRUE = Detections(BOX, ZERO, torch.ones(1), None), Objects(BOX, ZERO, None, NO, NO)
EYE, THREE = torch.eye(3), torch.arange(3)


def bad(tensor, value, place=0):
    tensor = tensor.clone().float()
    tensor.view(-1)[place] = value
    return tensor


DETECTIONS = [
    ({"boxes": bad(BOX, nan)}, {}, r"`detections\[0\].boxes` must be finite, got nan in box 0"),
    ({"boxes": bad(BOX, inf, 3)}, {}, r"`detections\[0\].boxes` must be finite, got inf"),
    ({"scores": bad(BOX[0, :1], nan)}, {}, r"`detections\[0\].scores` must be finite, got nan"),
    ({"scores": bad(BOX[0, :1], -inf)}, {}, r"`detections\[0\].scores` must be finite, got -inf"),
    ({"scores": torch.ones(2)}, {}, r"`detections\[0\].scores` must be a tensor \(1,\)"),
    ({"scores": NO}, {}, r"`detections\[0\].scores` must be of torch.float32"),
    ({"labels": ZERO.repeat(2)}, {}, r"`detections\[0\].labels` must be a tensor \(1,\)"),
    ({"labels": ZERO - 1}, {}, r"`detections\[0\].labels` must be classes from 0 to 2, got -1"),
    ({"labels": ZERO.float()}, {}, r"`detections\[0\].labels` must be of torch.int64"),
    ({"boxes": BOX[0]}, {}, r"`detections\[0\].boxes` must be a tensor \(N, 4\)"),
    ({}, {"boxes": bad(BOX, nan)}, r"`objects\[0\].boxes` must be finite, got nan in box 0"),
    ({}, {"boxes": BOX[:, [2, 3, 0, 1]]}, r"`objects\[0\].boxes` must be left, top, right, bott"),
    ({}, {"labels": ZERO + 3}, r"`objects\[0\].labels` must be classes from 0 to 2, got 3"),
    ({}, {"difficult": NO[:0]}, r"`objects\[0\].difficult` must be a tensor \(1,\)"),
    ({}, {"crowd": ZERO}, r"`objects\[0\].crowd` must be of torch.bool"),
]


@pytest.mark.parametrize("score", [coco_average_precision, voc_average_precision])
@pytest.mark.parametrize(("found", "true", "message"), DETECTIONS)
def test_detections(score, found, true, message):
    with pytest.raises((ValueError, TypeError), match=message):
        score([FOUND._replace(**found)], [TRUE._replace(**true)], num_classes=3)


def test_areas_and_indices_of_images():
    metric = COCOAveragePrecision(1)
    with pytest.raises(ValueError, match=r"`areas\[0\]` must be finite, got nan in object 0"):
        metric.update([FOUND], [TRUE], ZERO, [torch.tensor([nan])])
    with pytest.raises(ValueError, match=r"got 1, 1 and 1, and `areas` of 2"):
        metric.update([FOUND], [TRUE], ZERO, [torch.ones(1)] * 2)
    with pytest.raises(ValueError, match="`indices` must be positions .*, got -1"):
        metric.update([FOUND], [TRUE], ZERO - 1)
    with pytest.raises(TypeError, match="`indices` must be of torch.int64"):
        metric.update([FOUND], [TRUE], ZERO.float())


def test_an_image_that_comes_twice_counts_once():
    other = TRUE._replace(boxes=BOX + 20)
    for metric in (COCOAveragePrecision(1), VOCAveragePrecision(1)):
        for index, true in ((0, TRUE), (1, other), (0, TRUE), (0, TRUE)):
            metric.update([FOUND], [true], torch.tensor([index]))
        assert len(metric.images()) == 2
        metric.update([FOUND], [TRUE], torch.tensor([1]))
        with pytest.raises(ValueError, match="got 1. It came with two different images"):
            metric.compute()


def knn(features=EYE, bank=EYE, labels=THREE, **options):
    return knn_scores(features, bank, labels, num_classes=3, **options)


POINTS, SEEN = torch.rand(3, 4, 2), torch.ones(3, 4, dtype=torch.bool)
ERRORS, WIDE = torch.rand(3, 4), torch.ones(3)
CALLS = [
    (lambda: knn(bad(EYE, nan, 4)), "`features` must be finite, got nan in row 1"),
    (lambda: knn(bank=bad(EYE, inf)), "`bank` must be finite, got inf in row 0"),
    (lambda: knn(torch.rand(2, 4)), r"`features` must be a tensor \(N, 3\), got \(2, 4\)"),
    (lambda: knn(EYE.long()), "`features` must be of torch.float32"),
    (lambda: knn(labels=THREE[:2]), r"`bank_labels` must be a tensor \(3,\), got \(2,\)"),
    (lambda: knn(labels=THREE.float()), "`bank_labels` must be of torch.int64"),
    (lambda: knn(k=2.0), "`k` must be a whole number"),
    (lambda: knn(temperature=inf), "`temperature` must be a finite number above 0, got inf"),
    (lambda: KNNAccuracy().update(bad(EYE, nan), THREE), "`features` must be finite, got nan"),
    (lambda: KNNAccuracy().add_to_bank(bad(EYE, nan), THREE), "`bank` must be finite, got nan"),
    (lambda: KNNAccuracy().update(EYE, THREE - 2), "`labels` must be classes from 0, or -1 .* -2"),
    (lambda: KNNAccuracy().update(EYE, THREE[:2]), r"`labels` must be a tensor \(3,\)"),
    (lambda: accuracy(EYE[0], THREE), "`predictions` must be of torch.int64"),
    (lambda: accuracy(THREE, THREE - 1), "`labels` must be classes from 0, got -1. Leave images"),
    (lambda: mean_per_class_accuracy(THREE, EYE[0]), "`labels` must be of torch.int64"),
    (lambda: calibration_error(EYE[0], THREE), "`hits` must be of torch.bool"),
    (lambda: calibration_error(-EYE[0], EYE[0] > 0), "`confidences` must be from 0 to 1, got -1"),
    (lambda: CalibrationError().update(bad(EYE, nan), THREE), "`logits` must be finite, got nan"),
    (lambda: CalibrationError().update(bad(EYE, -inf), THREE), "`logits` must be finite, got -inf"),
    (lambda: CalibrationError().update(EYE, THREE + 1), "`labels` must be classes .* got 3"),
    (lambda: MeanPerClassAccuracy(3).update(THREE[:, None], THREE), r"`predictions` must be a ten"),
    (lambda: MeanPerClassAccuracy(3).update(EYE[0], THREE), "`predictions` must be of torch.int64"),
    (lambda: MeanPerClassAccuracy(3).update(THREE, THREE - 2), "`labels` must be classes .* -2"),
    (lambda: confusion_matrix(EYE, EYE.long(), 3), "`predictions` must be of torch.int64"),
    (lambda: confusion_matrix(EYE.long(), EYE, 3), "`labels` must be of torch.int64"),
    (lambda: confusion_matrix(EYE.long(), EYE.long(), 0), "`num_classes` must be a whole number"),
    (lambda: confusion_matrix(ZERO[0], ZERO[0], 3), r"`labels` must be a tensor \(B, ...\)"),
    (lambda: SegmentationScores(2).update(ZERO, ZERO, ZERO), "`indices` must be None without"),
    (lambda: class_iou(bad(EYE, nan)), "`matrix` must be of counts, at least 0"),
    (lambda: mean_iou(-EYE), "`matrix` must be of counts, at least 0"),
    (lambda: class_iou(torch.ones(2, 3)), r"`matrix` must be a tensor \(..., C, C\), got \(2, 3\)"),
    (lambda: landmark_errors(bad(POINTS, nan, 9), POINTS, WIDE), "`predicted` must be finite, got"),
    (
        lambda: landmark_errors(POINTS, bad(POINTS, nan, 9), WIDE),
        "`points` must be finite, got",
    ),
    (lambda: landmark_errors(POINTS, POINTS, bad(WIDE, inf)), "`distances` must be .*, got inf"),
    (lambda: landmark_errors(POINTS, POINTS, -WIDE), "`distances` must be .*, got -1"),
    (lambda: LandmarkErrors().update(POINTS, POINTS, SEEN.float(), WIDE), "`visible` must be of"),
    (lambda: LandmarkErrors().update(POINTS, POINTS, SEEN[:2], WIDE), "`visible` must be a tensor"),
    (lambda: image_errors(ERRORS, SEEN[0]), r"`visible` must be a tensor \(3, 4\)"),
    (lambda: point_errors(ERRORS[0], SEEN[0]), r"`errors` must be a tensor \(N, P\)"),
    (
        lambda: mean_error(bad(WIDE, nan)),
        "`errors` must be finite and of at least 0, got nan",
    ),
    (
        lambda: failure_rate(bad(WIDE, nan), 0.1),
        "`errors` must be finite and of at least 0, got nan",
    ),
    (lambda: mean_error(bad(WIDE, inf)), "`errors` must be finite and of at least 0, got inf"),
    (lambda: area_under_curve(-WIDE, 0.1), "`errors` must be finite and of at least 0, got -1"),
    (
        lambda: cumulative_errors(bad(WIDE, nan), WIDE),
        "`errors` must be finite and of at least 0, got nan",
    ),
    (lambda: cumulative_errors(WIDE, bad(WIDE, nan)), "`thresholds` must be finite, got nan"),
    (lambda: mean_error(WIDE[:0]), "`errors` must be of at least one image"),
    (lambda: failure_rate(WIDE, nan), "`threshold` must be a finite number above 0, got nan"),
]


@pytest.mark.parametrize(("call", "message"), CALLS)
def test_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_empty_batches_change_nothing():
    metric = KNNAccuracy(k=1)
    metric.add_to_bank(EYE, THREE)
    metric.update(EYE, THREE)
    metric.update(EYE[:0], THREE[:0])
    metric.add_to_bank(EYE[:0], THREE[:0])
    assert metric.compute() == 1
    scores = SegmentationScores(3, per_image=True)
    scores.update(torch.zeros(0, 4, 4).long(), torch.zeros(0, 4, 4).long(), ZERO[:0])
    scores.update(EYE[None].long(), EYE[None].long(), ZERO)
    assert scores.compute().matrices.shape == (1, 3, 3)
    calibration = CalibrationError()
    calibration.update(EYE[:0], THREE[:0])
    calibration.update(EYE, THREE)
    assert 0 < calibration.compute() < 1
    errors = LandmarkErrors()
    errors.update(POINTS[:0], POINTS[:0], SEEN[:0], WIDE[:0])
    errors.update(POINTS, POINTS, SEEN, WIDE)
    assert errors.compute().shape == (3, 4)
    assert confusion_matrix(EYE[:0].long(), EYE[:0].long(), 3).shape == (0, 3, 3)
    assert confusion_matrix(THREE, THREE, 3).sum() == 3  # a pixel per image


def test_what_is_added_after_a_result_counts():
    metric = KNNAccuracy(k=1)
    metric.add_to_bank(EYE[:1], THREE[:1])
    metric.update(EYE, THREE)
    assert metric.compute() == pytest.approx(1 / 3)
    metric.add_to_bank(EYE[1:], THREE[1:])
    assert metric.compute() == 1


def test_features_of_any_length_have_neighbours():
    for scale in (1e-30, 1e30):
        assert torch.equal(knn(scale * EYE, 1e25 * EYE, k=1).argmax(1), THREE)


def test_int32_labels_are_labels():
    small = THREE.int()
    assert accuracy(small, THREE) == mean_per_class_accuracy(small, small) == 1
    metric = MeanPerClassAccuracy(3)
    metric.update(small, small)
    assert metric.compute() == 1
    assert torch.equal(knn(labels=small, k=1).argmax(1), THREE)
