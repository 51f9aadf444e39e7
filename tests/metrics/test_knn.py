"""kNN against a loop, a closed form, and with all the small numbers that a user may have."""

import math

import pytest
import torch
from lightly.utils.benchmarking import knn_predict
from torch.nn import functional as F

from instdisc.metrics import KNNAccuracy, knn_scores


def naive_scores(features, bank, labels, num_classes, k, temperature):
    rows = []
    for feature in features:
        cosines = [float(F.cosine_similarity(feature, row, dim=0)) for row in bank]
        nearest = sorted(range(len(bank)), key=lambda j: -cosines[j])[:k]
        votes = [0.0] * num_classes
        for j in nearest:
            votes[labels[j]] += math.exp((cosines[j] - cosines[nearest[0]]) / temperature)
        rows.append(votes)
    return torch.tensor(rows)


@pytest.mark.parametrize(
    ("num_classes", "rows", "k"), [(2, 3, 20), (2, 40, 1), (7, 40, 5), (1000, 60, 20)]
)
def test_scores_are_those_of_a_loop(num_classes, rows, k):
    features, bank = 3 * torch.randn(9, 6), torch.randn(rows, 6)
    labels = torch.randint(0, num_classes, (rows,))
    found = knn_scores(features, bank, labels, num_classes=num_classes, k=k, temperature=0.1)
    expected = naive_scores(features, bank, labels.tolist(), num_classes, k, 0.1)
    assert found.shape == (9, num_classes)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_predictions_are_lightlys():
    features, bank = F.normalize(torch.randn(50, 8)), F.normalize(torch.randn(200, 8))
    labels = torch.randint(0, 5, (200,))
    expected = knn_predict(features, bank.T, labels, num_classes=5, knn_k=20, knn_t=0.07)
    found = knn_scores(features, bank, labels, num_classes=5, k=20, temperature=0.07)
    assert torch.equal(found.argmax(1), expected[:, 0])


def test_chunks_do_not_show():
    features, bank = torch.randn(1100, 4), torch.randn(30, 4)
    labels = torch.randint(0, 3, (30,))
    whole = knn_scores(features, bank, labels, num_classes=3)
    parts = [knn_scores(part, bank, labels, num_classes=3) for part in features.split(100)]
    torch.testing.assert_close(whole, torch.cat(parts))


def test_length_of_the_features_does_not_matter():
    features, bank, labels = torch.randn(5, 4), torch.randn(9, 4), torch.arange(9) % 2
    found = knn_scores(9 * features, 0.1 * bank, labels, num_classes=2)
    torch.testing.assert_close(found, knn_scores(features, bank, labels, num_classes=2))


def test_half_precision_is_computed_in_float32():
    features, bank, labels = torch.randn(5, 4), torch.randn(9, 4), torch.arange(9) % 2
    found = knn_scores(features.bfloat16(), bank.bfloat16(), labels, num_classes=2)
    expected = knn_scores(
        features.bfloat16().float(), bank.bfloat16().float(), labels, num_classes=2
    )
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_a_tiny_temperature_gives_finite_scores():
    scores = knn_scores(
        torch.randn(5, 4), torch.randn(9, 4), torch.arange(9), num_classes=9, temperature=1e-6
    )
    assert scores.isfinite().all()
    assert scores.amax(1).eq(1).all()


def test_no_query_gives_no_row():
    found = knn_scores(torch.zeros(0, 4), torch.eye(4), torch.arange(4), num_classes=4)
    assert found.shape == (0, 4)


def metric_of(bank, bank_labels, features, labels, **options):
    metric = KNNAccuracy(**options)
    for part, some in zip(bank.split(4), bank_labels.split(4), strict=True):
        metric.add_to_bank(part, some)
    for part, some in zip(features.split(3), labels.split(3), strict=True):
        metric.update(part, some)
    return metric


@pytest.mark.parametrize(("num_classes", "rows"), [(2, 3), (10, 30), (1000, 1000)])
def test_accuracy_is_that_of_the_scores(num_classes, rows):
    bank, features = torch.randn(rows, 6), torch.randn(25, 6)
    bank_labels, labels = torch.arange(rows) % num_classes, torch.randint(0, num_classes, (25,))
    metric = metric_of(bank, bank_labels, features, labels, k=5)
    scores = knn_scores(features, bank, bank_labels, num_classes=num_classes, k=5)
    assert metric.compute() == (scores.argmax(1) == labels).float().mean()


def test_every_image_is_its_own_nearest():
    features = torch.randn(1000, 16)
    labels = torch.arange(1000)
    assert metric_of(features, labels, features, labels, k=1).compute() == 1


def test_images_of_unknown_class_neither_vote_nor_count():
    bank, features = torch.randn(20, 4), torch.randn(10, 4)
    bank_labels, labels = torch.arange(20) % 3, torch.arange(10) % 3
    expected = metric_of(bank[5:], bank_labels[5:], features[:7], labels[:7], k=3).compute()
    bank_labels[:5], labels[7:] = -1, -1
    assert metric_of(bank, bank_labels, features, labels, k=3).compute() == expected


def test_a_class_that_the_bank_lacks_is_an_error_of_the_features():
    metric = metric_of(torch.eye(3), torch.tensor([0, 1, 1]), torch.eye(3), torch.tensor([0, 1, 7]))
    assert metric.compute() == pytest.approx(2 / 3)


def test_reset_forgets_the_bank():
    metric = metric_of(torch.eye(3), torch.arange(3), torch.eye(3), torch.arange(3), k=1)
    assert metric.compute() == 1
    metric.reset()
    metric.add_to_bank(torch.eye(3), torch.tensor([1, 2, 0]))
    metric.update(torch.eye(3), torch.arange(3))
    assert metric.compute() == 0


@pytest.mark.parametrize("missing", ["bank", "queries"])
def test_nothing_labelled_is_refused(missing):
    unknown, known = torch.full((3,), -1), torch.arange(3)
    metric = metric_of(
        torch.eye(3),
        unknown if missing == "bank" else known,
        torch.eye(3),
        unknown if missing == "queries" else known,
    )
    with pytest.raises(ValueError, match="kNN needs labelled rows in the bank and labelled quer"):
        metric.compute()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "`k` must be a whole number of at least 1, got 0"),
        ({"temperature": 0.0}, "`temperature` must be a finite number above 0, got 0.0"),
        ({"temperature": float("nan")}, "`temperature` must be a finite number above 0, got nan"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        KNNAccuracy(**options)
    with pytest.raises(ValueError, match=message):
        knn_scores(torch.eye(2), torch.eye(2), torch.arange(2), num_classes=2, **options)


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        (0, [], r"`bank` must be of at least one row, got \(0, 2\)"),
        (
            2,
            [0, -1],
            "`bank_labels` must be classes from 0 to 1, got -1. Leave images of unknown class",
        ),
        (2, [0, 2], "`bank_labels` must be classes from 0 to 1, got 2"),
    ],
)
def test_bad_bank(rows, labels, message):
    with pytest.raises(ValueError, match=message):
        knn_scores(torch.eye(2), torch.eye(2)[:rows], torch.tensor(labels).long(), num_classes=2)
