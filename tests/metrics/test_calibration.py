"""RMS calibration error, AURRA, Brier score, likelihood and temperature: vectors, loops, others."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss, log_loss

from instdisc.metrics import (
    aurra,
    bootstrap_interval,
    brier_score,
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
    rms_calibration_error,
)

# seed, images, classes, scale, signal; then what other programs give, see the names.
NAMES = (
    "rms",
    "aurra",
    "brier",
    "nll",
    "temperature",
    "nll after",
    "ece",
    "ece after",
    "rms after",
)
CASES = {
    "overconfident": (
        *((70, 1000, 10, 3.0, 2.0), (0.1124299728, 0.8427239543, 0.4756933022, 1.066467414)),
        (1.503069618, 0.9796075052, 0.1092446034, 0.02468809232, 0.02984376708),
    ),
    "underconfident, remainder": (
        *((71, 1050, 5, 0.4, 3.0), (0.508941662, 0.9933800752, 0.4107087079, 0.8429273969)),
        (0.1260067169, 0.1320515093, 0.5048442228, 0.01461912647, 0.01980913726),
    ),
    "one bin": (
        *((72, 150, 4, 1.0, 1.5), (0.06220264025, 0.8006926485, 0.4559840015, 0.8157343603)),
        (0.6805862101, 0.778470515, 0.07755679015, 0.06902550749, 0.03826433688),
    ),
    "less than one bin": (
        *((73, 60, 4, 1.0, 1.5), (0.1504380343, 0.9120379533, 0.3877554501, 0.737696237)),
        (0.5092852315, 0.6339662958, 0.2205545066, 0.1625788434, 0.01948149693),
    ),
    "temperature above 5": (
        *((74, 400, 6, 5.0, 0.6), (0.4778083235, 0.4244196339, 1.066474575, 3.92178393)),
        (7.34615125, 1.609480901, 0.4626118826, 0.04467528947, 0.03155488115),
    ),
}


def made(seed, count, classes, scale, signal):
    state = np.random.RandomState(seed)
    labels = state.randint(0, classes, count)
    logits = scale * (np.eye(classes)[labels] * signal + state.standard_normal((count, classes)))
    return torch.from_numpy(logits), torch.from_numpy(labels)


@pytest.mark.parametrize("name", CASES)
def test_golden_vectors(name):
    recipe, *expected = CASES[name]
    logits, labels = made(*recipe)
    temperature = fit_temperature(logits, labels)
    hits = logits.argmax(1) == labels
    before, after = (each.softmax(1).amax(1) for each in (logits, logits / temperature))
    values = (
        rms_calibration_error(before, hits),
        aurra(before, hits),
        brier_score(logits.softmax(1), labels),
        negative_log_likelihood(logits, labels),
        temperature,
        negative_log_likelihood(logits, labels, temperature=temperature),
        calibration_error(before, hits),
        calibration_error(after, hits),
        rms_calibration_error(after, hits),
    )
    got = dict(zip(NAMES, map(float, values), strict=True))
    assert got == pytest.approx(dict(zip(NAMES, sum(expected, ()), strict=True)), rel=1e-8)
    # float32, as tasks have it.
    assert fit_temperature(logits.float(), labels) == pytest.approx(temperature, rel=1e-4)


def test_a_temperature_of_a_validation_split():
    logits, labels = made(75, 600, 8, 2.5, 1.5)
    temperature = fit_temperature(logits[:300], labels[:300])
    assert temperature == pytest.approx(1.631865253, rel=1e-8)
    logits, labels = logits[300:], labels[300:]
    hits = logits.argmax(1) == labels
    for divisor, error, likelihood in (
        (1.0, 0.184771825, 1.379355182),
        (temperature, 0.07445417381, 1.254536672),
    ):
        confidences = (logits / divisor).softmax(1).amax(1)
        assert float(calibration_error(confidences, hits)) == pytest.approx(error, rel=1e-8)
        value = negative_log_likelihood(logits, labels, temperature=divisor)
        assert float(value) == pytest.approx(likelihood, rel=1e-8)


def test_tiny_vectors():
    confidences = torch.tensor([0.55, 0.95, 0.8, 0.9, 0.6, 0.7], dtype=torch.float64)
    hits = torch.tensor([True, True, False, True, False, True])
    assert float(aurra(confidences, hits)) == pytest.approx(
        (1 + 1 + 2 / 3 + 3 / 4 + 3 / 5 + 4 / 6) / 6
    )
    rms = rms_calibration_error(confidences, hits, bin_size=2)
    assert float(rms) == pytest.approx(0.156790731)


def naive_rms(confidences, hits, size):
    order = sorted(range(len(hits)), key=lambda i: confidences[i])
    bins = [order[i : i + size] for i in range(0, len(order), size)]
    if len(bins) > 1 and len(bins[-1]) < size:
        bins[-2:] = [bins[-2] + bins[-1]]
    total = 0.0
    for rows in bins:
        gap = sum(float(hits[i]) - confidences[i] for i in rows) / len(rows)
        total += len(rows) / len(order) * gap**2
    return math.sqrt(total)


def naive_aurra(confidences, hits):
    order = sorted(range(len(hits)), key=lambda i: -confidences[i])
    shares = [sum(bool(hits[i]) for i in order[:k]) / k for k in range(1, len(order) + 1)]
    return sum(shares) / len(shares)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("count", "size"), [(1, 1), (7, 3), (6, 3), (50, 7), (50, 60), (99, 50)])
def test_loops(dtype, count, size):
    generator = torch.Generator().manual_seed(count)
    confidences = torch.rand(count, generator=generator, dtype=dtype)
    hits = torch.rand(count, generator=generator) < 0.6
    rms = rms_calibration_error(confidences, hits, bin_size=size)
    assert float(rms) == pytest.approx(naive_rms(confidences.tolist(), hits, size), abs=1e-12)
    area = aurra(confidences, hits)
    assert float(area) == pytest.approx(naive_aurra(confidences.tolist(), hits), abs=1e-12)


def test_scikit_learn():
    logits, labels = made(3, 200, 5, 2.0, 1.0)
    shares = logits.softmax(1)
    expected = brier_score_loss(labels, shares, labels=range(5), scale_by_half=False)
    assert float(brier_score(shares, labels)) == pytest.approx(expected)
    expected = log_loss(labels, shares, labels=range(5))
    assert float(negative_log_likelihood(logits, labels)) == pytest.approx(expected)


def test_scipy_finds_the_same_temperature():
    logits, labels = made(4, 300, 4, 3.0, 0.8)

    def loss(log):
        return float(negative_log_likelihood(logits, labels, temperature=math.exp(log)))

    best = minimize_scalar(loss, bracket=(-2, 3), options={"xtol": 1e-10})
    assert fit_temperature(logits, labels) == pytest.approx(math.exp(best.x), rel=1e-6)


def test_closed_forms():
    # Two classes at one margin: three of four right, so the confidence should be 3 / 4.
    logits = 4 * torch.eye(2)[[0, 0, 0, 1]]
    assert fit_temperature(logits, torch.tensor([0, 0, 1, 1])) == pytest.approx(4 / math.log(3))
    # Twice the logits, twice the temperature; a shift of an image's logits changes nothing.
    logits, labels = made(5, 200, 3, 1.0, 1.0)
    shifted = 2 * logits + torch.randn(200, 1, dtype=torch.float64)
    assert fit_temperature(shifted, labels) == pytest.approx(2 * fit_temperature(logits, labels))
    # Uniform: log C, and (C - 1) / C.
    flat, labels = torch.zeros(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    assert float(negative_log_likelihood(flat, labels)) == pytest.approx(math.log(3))
    assert float(brier_score(flat.softmax(1), labels)) == pytest.approx(2 / 3)
    # Certain and wrong: the largest Brier score.
    assert float(brier_score(torch.eye(2), torch.tensor([1, 0]))) == 2
    sure = torch.ones(4)
    for hits, area in ((sure > 0, 1.0), (sure > 1, 0.0)):
        assert float(aurra(sure, hits)) == area
        assert float(rms_calibration_error(sure, hits)) == 1 - area


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1e20, 1e300])
def test_temperature_of_any_scale(scale):
    logits, labels = made(0, 60, 4, 1.0, 0.7)
    expected = fit_temperature(logits, labels)
    assert fit_temperature(logits * scale, labels) / scale == pytest.approx(expected, rel=1e-9)
    assert fit_temperature(logits.requires_grad_(), labels) == expected


def test_brier_score_of_bfloat16():
    logits, labels = made(0, 60, 5, 1.0, 0.7)
    shares = logits.softmax(1)
    rounded = brier_score(shares.bfloat16(), labels)
    assert float(rounded) == pytest.approx(float(brier_score(shares, labels)), abs=5e-3)


def test_temperature_changes_no_prediction_and_never_raises_the_likelihood_it_is_fitted_on():
    for seed in range(5):
        logits, labels = made(seed, 80, 4, 1.0 + seed, 0.7)
        temperature = fit_temperature(logits, labels)
        assert torch.equal((logits / temperature).argmax(1), logits.argmax(1))
        at = [
            float(negative_log_likelihood(logits, labels, temperature=factor * temperature))
            for factor in (0.98, 1.0, 1.02)
        ]
        assert at[1] <= min(at[0], at[2])


def test_each_row_of_resamples_is_its_own():
    generator = torch.Generator().manual_seed(0)
    confidences = torch.rand(3, 2, 130, generator=generator)
    hits = torch.rand(3, 2, 130, generator=generator) < confidences
    for metric in (rms_calibration_error, aurra):
        whole = metric(confidences, hits)
        assert whole.shape == (3, 2)
        assert float(whole[1, 1]) == float(metric(confidences[1, 1], hits[1, 1]))
        low, high = bootstrap_interval(metric, [confidences[0, 0], hits[0, 0]], num_resamples=100)
        assert low < high
    logits = torch.randn(3, 7, 4, generator=generator)
    labels = torch.randint(4, (3, 7), generator=generator)
    for score, table in ((brier_score, logits.softmax(-1)), (negative_log_likelihood, logits)):
        assert float(score(table, labels)[2]) == pytest.approx(float(score(table[2], labels[2])))
        each = score(table, labels, reduction="none")
        assert each.shape == (3, 7)
        torch.testing.assert_close(each.mean(-1), score(table, labels))


def test_ties_keep_their_order_at_any_precision():
    confidences = torch.tensor([0.5, 0.7, 0.5, 0.5, -0.0, 0.0])
    hits = torch.tensor([True, False, False, True, True, False])
    expected = (0 + 1 / 2 + 1 / 3 + 2 / 4 + 3 / 5 + 3 / 6) / 6
    for dtype in (torch.float32, torch.float64):
        assert float(aurra(confidences.to(dtype), hits)) == pytest.approx(expected)


HITS = torch.tensor([True, False])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: aurra(torch.tensor([0.5, 1.5]), HITS),
            "`confidences` must be from 0 to 1, got 1",
        ),
        (lambda: aurra(torch.tensor([0.5, math.nan]), HITS), "`confidences` must be from 0 to 1"),
        (lambda: aurra(torch.tensor([0.5]), HITS), r"`confidences` must be a tensor \(2,\)"),
        (lambda: aurra(torch.zeros(0), HITS[:0]), "`confidences` must be of at least one image"),
        (lambda: aurra(torch.ones(2), torch.ones(2)), "`hits` must be of torch.bool"),
        (
            lambda: rms_calibration_error(torch.ones(2), HITS, bin_size=0),
            "`bin_size` must be a whole number of at least 1, got 0",
        ),
        (
            lambda: rms_calibration_error(torch.ones(2), HITS, bin_size=2.5),
            "`bin_size` must be a whole number",
        ),
        (
            lambda: brier_score(torch.ones(2, 2), torch.tensor([0, 1])),
            "`probabilities` must be at least 0, with the sum 1 over the classes, got 2.0",
        ),
        (
            lambda: brier_score(torch.tensor([[1.5, -0.5]]), torch.tensor([0])),
            "`probabilities` must be at least 0",
        ),
        (
            lambda: brier_score(torch.eye(2), torch.tensor([0, 2])),
            "`labels` must be classes from 0 to 1, got 2",
        ),
        (
            lambda: brier_score(torch.eye(2), torch.tensor([0])),
            r"`labels` must be a tensor \(2,\)",
        ),
        (
            lambda: brier_score(torch.eye(2), torch.tensor([0, 1]), reduction="sum"),
            "`reduction` must be one of 'mean', 'none'",
        ),
        (
            lambda: negative_log_likelihood(torch.eye(2), torch.tensor([0, 1]), temperature=0),
            "`temperature` must be a finite number above 0",
        ),
        (
            lambda: negative_log_likelihood(torch.eye(2) / 0, torch.tensor([0, 1])),
            "`logits` must be finite",
        ),
        (
            lambda: negative_log_likelihood(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)),
            r"`logits` must be a tensor \(\.\.\., N, C\) of at least one image",
        ),
        (
            lambda: fit_temperature(torch.eye(3), torch.arange(3)),
            "`logits` must be wrong for some image.* best temperature is 0",
        ),
        (
            lambda: fit_temperature(torch.eye(3), torch.tensor([1, 2, 0])),
            "`logits` must be larger at the labels than on average.* temperature is infinite",
        ),
        (
            lambda: fit_temperature(torch.eye(2).long(), torch.arange(2)),
            "`logits` must be of torch",
        ),
        (lambda: fit_temperature(torch.eye(2), torch.ones(2)), "`labels` must be of torch.int64"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
