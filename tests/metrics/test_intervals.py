"""Intervals in closed form against published values and their own definition."""

import numpy as np
import pytest
import torch

from instdisc.metrics import (
    Interval,
    accuracy,
    bootstrap_difference,
    bootstrap_interval,
    t_interval,
    wilson_interval,
)

# statsmodels' proportion_confint(method="wilson").
WILSON = [
    (0, 10, 0.95, 0.0, 0.2775327999),
    (10, 10, 0.95, 0.7224672001, 1.0),
    (7, 10, 0.95, 0.3967781475, 0.8922087326),
    (50, 100, 0.95, 0.4038315304, 0.5961684696),
    (1, 1000, 0.95, 0.0001765463706, 0.005642558598),
    (999, 1000, 0.95, 0.9943574414, 0.9998234536),
    (730, 1000, 0.95, 0.7016420587, 0.7565976324),
    (730, 1000, 0.99, 0.6924088777, 0.7645591864),
    (3, 4, 0.90, 0.3561680086, 0.9420926788),
]
# scipy's t.interval.
STUDENT = [
    ([71.2, 72.0, 70.6], 0.95, 69.52186568, 73.01146765),
    ([71.2, 72.0, 70.6, 71.5, 71.9], 0.95, 70.734324, 72.145676),
    ([71.2, 72.0, 70.6, 71.5, 71.9], 0.9, 70.89815852, 71.98184148),
    ([71.2, 72.0], 0.95, 66.51751811, 76.68248189),
    ([0.5, 0.5, 0.5], 0.95, 0.5, 0.5),
]


@pytest.mark.parametrize(("successes", "count", "level", "low", "high"), WILSON)
def test_wilson(successes, count, level, low, high):
    found = wilson_interval(successes, count, level)
    assert found == pytest.approx((low, high), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("successes", [0.5, 3, 12.25, 29.999])
def test_wilson_solves_its_equation(successes):
    z, p = 1.959963984540054, successes / 30
    for q in wilson_interval(successes, 30):
        assert abs(p - q) == pytest.approx(z * (q * (1 - q) / 30) ** 0.5)


def test_wilson_stays_within_shares_and_has_a_width():
    for count in (1, 2, 20, 10**9):
        none, all_ = wilson_interval(0, count), wilson_interval(count, count)
        assert none.low == 0
        assert all_.high == 1
        assert 0 < none.high < 1
        assert none.high == pytest.approx(1 - all_.low)


@pytest.mark.parametrize(("values", "level", "low", "high"), STUDENT)
def test_t(values, level, low, high):
    assert t_interval(values, level) == pytest.approx((low, high), rel=1e-8)
    assert t_interval(iter(values), level) == t_interval(np.array(values), level)


def test_paired_difference():
    labels = torch.randint(3, (400,))
    hard = torch.rand(400) < 0.5  # the same images are wrong for both
    one = torch.where(hard, labels + 1, labels)
    other = torch.where(hard & (torch.arange(400) % 10 > 0), labels + 1, labels)
    found = bootstrap_difference(accuracy, [other, labels], [one, labels])
    # The difference of each image, resampled alone, is the same thing.
    gaps = (other == labels).double() - (one == labels).double()
    assert found == pytest.approx(bootstrap_interval(lambda gap: gap.mean(1), [gaps]))
    assert 0 < found.low < float(gaps.mean()) < found.high
    separate = bootstrap_interval(accuracy, [one, labels]).half_width
    assert found.half_width < separate
    turned = bootstrap_difference(accuracy, [one, labels], [other, labels])
    assert turned == pytest.approx((-found.high, -found.low))
    assert bootstrap_difference(accuracy, [one, labels], [one, labels]) == Interval(0, 0)


nan, inf = float("nan"), float("inf")
two = torch.zeros(2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wilson_interval(1, 0), ValueError, "`count` must be a whole number of at least 1"),
        (lambda: wilson_interval(1, 2.0), TypeError, "`count` must be a whole number"),
        (lambda: wilson_interval(3, 2), ValueError, "`successes` must be .* at most 2, got 3"),
        (lambda: wilson_interval(-1, 2), ValueError, "`successes` must be .* of at least 0"),
        (lambda: wilson_interval(nan, 2), ValueError, "`successes` must be .*, got nan"),
        (lambda: wilson_interval(1, 2, 1.0), ValueError, "`level` must be .* below 1, got 1.0"),
        (lambda: wilson_interval(1, 2, 95), ValueError, "`level` must be .* below 1, got 95"),
        (lambda: t_interval([1.0]), ValueError, r"`values` must be at least 2, got \[1.0\]. One"),
        (lambda: t_interval([]), ValueError, "`values` must be at least 2"),
        (
            lambda: t_interval([1.0, nan]),
            ValueError,
            r"`values\[1\]` must be a finite number",
        ),
        (lambda: t_interval([1.0, "2"]), TypeError, "`values` must be a finite number, got '2'"),
        (lambda: t_interval([1.0, 2.0], 0), ValueError, "`level` must be .* above 0"),
        (
            lambda: bootstrap_difference(accuracy, [two], [two, two]),
            ValueError,
            "`columns_b` must be 1 columns of 2 images, as `columns_a`, got '2 of 2'",
        ),
        (
            lambda: bootstrap_difference(accuracy, [two], [two[:1]]),
            ValueError,
            "`columns_b` must be 1 columns of 2 images",
        ),
        (
            lambda: bootstrap_interval(lambda c: c.mean(1), [torch.tensor([1.0, inf])]),
            ValueError,
            "`columns` must be finite, got inf in image 1",
        ),
        (
            lambda: bootstrap_interval(lambda c: c.mean(1) / 0, [two + 1], num_resamples=3),
            ValueError,
            "`statistic` must be finite, got inf in resample 0",
        ),
        (
            lambda: bootstrap_interval(lambda c: c.mean(), [two]),
            ValueError,
            r"`statistic` must be a tensor \(1000,\), got \(\) .*One number per resample",
        ),
        (
            lambda: bootstrap_interval(two.mean, [[1.0]]),
            TypeError,
            "`columns` must be a sequence",
        ),
        (
            lambda: bootstrap_interval(lambda c: c.mean(1), [two], num_resamples=2.0),
            TypeError,
            "`num_resamples` must be a whole number",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
