"""The papers' values of corruptions and calibration, as they are used."""

import inspect

import pytest

from instdisc.analysis.robustness import ALEXNET_ERRORS, CORRUPTIONS
from instdisc.analysis.robustness.strengths import SIDE, STRENGTHS
from instdisc.metrics import rms_calibration_error

# What the strengths add up to, whatever their order: a digit that changes shows.
SUMS = {
    "gaussian_noise": 1.02,
    "shot_noise": 105,
    "impulse_noise": 0.62,
    "defocus_blur": 31,
    "glass_blur": 27.2,
    "motion_blur": 118,
    "zoom_blur": 63.09,
    "snow": 120.45,
    "fog": 20.1,
    "brightness": 1.5,
    "contrast": 1.05,
    "elastic_transform": 1320.04,
    "pixelate": 2.05,
    "jpeg_compression": 75,
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_strengths(corruption):
    total = sum(sum(strength) for strength in STRENGTHS[corruption])
    assert total == pytest.approx(SUMS[corruption], abs=1e-9)


def test_view_of_the_strengths():
    assert SIDE == 224


def test_alexnet_errors():
    assert sum(ALEXNET_ERRORS.values()) == pytest.approx(11.834896, abs=1e-9)
    assert list(ALEXNET_ERRORS)[8] == "frost"
    assert set(ALEXNET_ERRORS) - {"frost"} == set(CORRUPTIONS)


def test_bins_of_the_rms_calibration_error():
    assert inspect.signature(rms_calibration_error).parameters["bin_size"].default == 100
