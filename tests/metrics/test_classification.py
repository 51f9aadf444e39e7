"""Accuracy per class, calibration and bootstrap intervals against naive loops and torchmetrics."""

import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from instdisc.metrics import (
    CalibrationError,
    MeanPerClassAccuracy,
    accuracy,
    bootstrap_interval,
    calibration_error,
    mean_per_class_accuracy,
)


def predictions_of(count=400, num_classes=5, sharpness=2.0):
    logits = sharpness * torch.randn(count, num_classes)
    return logits, torch.randint(num_classes, (count,))


def test_top_one_and_mean_per_class_are_torchmetrics_where_all_classes_occur():
    logits, labels = predictions_of()
    found = logits.argmax(1)
    for ours, average in ((accuracy, "micro"), (mean_per_class_accuracy, "macro")):
        expected = multiclass_accuracy(found, labels, num_classes=5, average=average)
        assert float(ours(found, labels)) == pytest.approx(float(expected), abs=1e-6)


def test_a_class_without_images_does_not_count():
    found, labels = torch.tensor([0, 0, 2]), torch.tensor([0, 0, 1])
    assert float(mean_per_class_accuracy(found, labels)) == 0.5
    metric = MeanPerClassAccuracy(9)
    metric.update(found, labels)
    assert float(metric.compute()) == 0.5


def naive_calibration(confidences, hits, num_bins):
    total = 0.0
    for i in range(num_bins):
        low, high = i / num_bins, (i + 1) / num_bins
        inside = [
            (float(c), float(h))
            for c, h in zip(confidences, hits, strict=True)
            if low < c <= high or (i == 0 and c == 0)
        ]
        if inside:
            gap = sum(h for _, h in inside) - sum(c for c, _ in inside)
            total += abs(gap) / len(confidences)
    return total


@pytest.mark.parametrize("num_bins", [1, 10, 15])
def test_calibration_is_the_naive_loop(num_bins):
    confidences = torch.rand(300).double()
    confidences[:5] = torch.tensor([0.0, 1.0, 1.0, 1 / 2, 1 / 5]).double()
    hits = torch.rand(300) < confidences**2
    found = calibration_error(confidences, hits, num_bins=num_bins)
    assert float(found) == pytest.approx(naive_calibration(confidences, hits, num_bins), abs=1e-9)


def test_calibration_is_torchmetrics_inside_the_bins():
    logits, labels = predictions_of()
    confidences, found = logits.softmax(1).max(1)
    expected = multiclass_calibration_error(logits.softmax(1), labels, num_classes=5, n_bins=15)
    ours = calibration_error(confidences, found == labels)
    assert float(ours) == pytest.approx(float(expected), abs=1e-6)


def test_certainty_shares_the_last_bin():
    # torchmetrics has a bin of its own for it, and gives 0.525.
    confidences, hits = torch.tensor([1.0, 0.95]), torch.tensor([False, True])
    assert float(calibration_error(confidences, hits)) == pytest.approx(0.475)


def test_metrics_add_up_over_batches():
    logits, labels = predictions_of()
    labels[:7] = -1
    whole, calibration = MeanPerClassAccuracy(5), CalibrationError()
    for rows, own in zip(logits.split(33), labels.split(33), strict=True):
        whole.update(rows.argmax(1), own)
        calibration.update(rows, own)
    known, own = logits[7:], labels[7:]
    confidences, found = known.softmax(1).max(1)
    assert float(whole.compute()) == pytest.approx(float(mean_per_class_accuracy(found, own)))
    expected = calibration_error(confidences, found == own)
    assert float(calibration.compute()) == pytest.approx(float(expected))


def test_resamples_side_by_side():
    found, labels = torch.randint(4, (3, 50)), torch.randint(4, (3, 50))
    confidences, hits = torch.rand(3, 50), torch.rand(3, 50) < 0.5
    for statistic, columns in (
        (accuracy, (found, labels)),
        (mean_per_class_accuracy, (found, labels)),
        (calibration_error, (confidences, hits)),
    ):
        together = statistic(*columns)
        alone = [float(statistic(*(column[i] for column in columns))) for i in range(3)]
        assert together.tolist() == pytest.approx(alone)


def test_bootstrap_of_a_share_is_the_normal_interval():
    labels = torch.zeros(2000, dtype=torch.int64)
    found = (torch.arange(2000) % 10 < 3).long()  # 70 % right
    interval = bootstrap_interval(accuracy, [found, labels], num_resamples=4000)
    normal = 1.96 * (0.7 * 0.3 / 2000) ** 0.5
    assert interval.half_width == pytest.approx(normal, rel=0.06)
    assert (interval.low + interval.high) / 2 == pytest.approx(0.7, abs=0.003)


def test_bootstrap_is_seeded_and_does_not_depend_on_its_pieces(monkeypatch):
    columns = [torch.randint(3, (90,)), torch.randint(3, (90,))]
    first = bootstrap_interval(accuracy, columns, seed=3)
    assert bootstrap_interval(accuracy, columns, seed=3) == first
    assert bootstrap_interval(accuracy, columns, seed=4) != first
    monkeypatch.setattr("instdisc.metrics.bootstrap._VALUES", 1000)
    assert bootstrap_interval(accuracy, columns, seed=3) == first


one = torch.zeros(1, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: accuracy(one[:0], one[:0]), "`predictions` must be of at least one image"),
        (
            lambda: accuracy(one, one.repeat(2)),
            r"`predictions` must be a tensor \(2,\) like `labels`, got \(1,\)",
        ),
        (
            lambda: mean_per_class_accuracy(one, one - 1),
            "`labels` must be classes from 0, got -1. Leave images of",
        ),
        (
            lambda: calibration_error(one + 2.0, one == 0),
            "`confidences` must be from 0 to 1, got 2.0. Take the sof",
        ),
        (
            lambda: calibration_error(one / 0.0, one == 0),
            "`confidences` must be from 0 to 1, got nan",
        ),
        (lambda: CalibrationError(0), "`num_bins` must be a whole number of at least 1, got 0"),
        (
            lambda: MeanPerClassAccuracy(0),
            "`num_classes` must be a whole number of at least 1, got 0",
        ),
        (
            lambda: MeanPerClassAccuracy(3).update(one, one + 3),
            "`labels` must be classes from 0 to 2, or -1 .*, got 3",
        ),
        (
            lambda: bootstrap_interval(accuracy, [one, one[:0]]),
            r"`columns` must be of one length of at least 1, got \[1, 0\]",
        ),
        (
            lambda: bootstrap_interval(accuracy, [one, one], level=1.0),
            "`level` must be a finite number above 0 and below 1, got 1.0",
        ),
        (lambda: bootstrap_interval(accuracy, [one, one], num_resamples=0), "`num_resamples` must"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
@pytest.mark.parametrize("metric", [MeanPerClassAccuracy(3), CalibrationError()])
def test_nothing_labelled(metric):
    with pytest.raises(ValueError, match="needs a labelled image, got none"):
        metric.compute()
