"""The confusion matrix against a naive loop and torchmetrics; what is computed from it."""

import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_jaccard_index,
)

from instdisc.metrics import (
    SegmentationScores,
    class_iou,
    confusion_matrix,
    mean_iou,
    pixel_accuracy,
)

C = 5


def batch(count=3, size=(13, 9), ignored=0.2):
    labels = torch.randint(0, C, (count, *size))
    predictions = torch.where(torch.rand(labels.shape) < 0.6, labels, torch.randint(0, C, size))
    labels[torch.rand(labels.shape) < ignored] = 255
    return predictions, labels


def naive(predictions, labels):
    matrix = torch.zeros(C, C, dtype=torch.int64)
    for found, truth in zip(predictions.flatten().tolist(), labels.flatten().tolist(), strict=True):
        if truth != 255:
            matrix[truth, found] += 1
    return matrix


@pytest.mark.parametrize("ignored", [0.0, 0.3, 1.0])
def test_matrix_equals_a_naive_loop_and_torchmetrics(ignored):
    predictions, labels = batch(ignored=ignored)
    found = confusion_matrix(predictions, labels, C)
    assert found.shape == (3, C, C)
    for one, *pair in zip(found, predictions, labels, strict=True):
        assert torch.equal(one, naive(*pair))
    theirs = multiclass_confusion_matrix(predictions, labels, C, ignore_index=255)
    assert torch.equal(found.sum(0), theirs)
    small = confusion_matrix(predictions.to(torch.uint8), labels.to(torch.uint8), C)
    assert torch.equal(small, found)


def test_scores_equal_torchmetrics():
    predictions, labels = batch()
    matrix = confusion_matrix(predictions, labels, C).sum(0)
    options = {"num_classes": C, "ignore_index": 255}
    theirs = multiclass_jaccard_index(predictions, labels, average="none", **options)
    assert torch.allclose(class_iou(matrix).float(), theirs)
    theirs = multiclass_jaccard_index(predictions, labels, average="macro", **options)
    assert torch.allclose(mean_iou(matrix).float(), theirs)
    theirs = multiclass_accuracy(predictions, labels, average="micro", **options)
    assert torch.allclose(pixel_accuracy(matrix).float(), theirs)


def test_closed_forms():
    perfect = torch.diag(torch.tensor([3, 5, 0]))
    assert class_iou(perfect)[:2].tolist() == [1, 1]
    assert class_iou(perfect)[2].isnan()  # neither there nor predicted: does not count
    assert mean_iou(perfect) == pixel_accuracy(perfect) == 1
    # Predicted though it is nowhere: counts with 0.
    assert class_iou(torch.tensor([[1, 1], [0, 0]])).tolist() == [0.5, 0.0]
    many = torch.randint(0, 9, (4, C, C))
    assert torch.equal(mean_iou(many)[2], mean_iou(many[2]))

    # A resample of nothing but ignored pixels has no value; neither 100 nor NaN.
    for score in (mean_iou, pixel_accuracy):
        with pytest.raises(ValueError, match="`matrix` must be of at least one pixel"):
            score(torch.stack([many[0], torch.zeros(C, C)]))


def test_batches_do_not_matter_and_images_are_kept():
    predictions, labels = batch(6)
    whole, parts = SegmentationScores(C, per_image=True), SegmentationScores(C, per_image=True)
    whole.update(predictions, labels)
    for rows in ([0], [1, 2, 3], [4, 5]):
        parts.update(predictions[rows], labels[rows])
    one, other = whole.compute(), parts.compute()
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a, b)
    assert torch.equal(one.matrices.sum(0), one.matrix)
    assert len(one.matrices) == 6
    plain = SegmentationScores(C)
    plain.update(predictions, labels)
    assert plain.compute().matrices.shape == (0, C, C)
    parts.reset()
    assert not parts.matrix.any()


def test_bad_input():
    labels = torch.zeros(1, 2, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"`predictions` must be a tensor \(1, 2, 2\) like"):
        confusion_matrix(labels[:, :1], labels, C)
    with pytest.raises(ValueError, match="got prediction 0 for label 5"):
        confusion_matrix(labels, labels + C, C)
    with pytest.raises(ValueError, match="got prediction 7 for label 0"):
        confusion_matrix(labels + 7, labels, C)
    with pytest.raises(ValueError, match="got prediction 0 for label -1"):
        confusion_matrix(labels, labels - 1, C)
    with pytest.raises(
        ValueError, match="`num_classes` must be a whole number of at least 2, got 1"
    ):
        SegmentationScores(1)
    scores = SegmentationScores(C)
    scores.update(labels, torch.full_like(labels, 255))
    with pytest.raises(ValueError, match="need a pixel with a class, got none"):
        scores.compute()
