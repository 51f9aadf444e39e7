"""The learning-rate schedule against formulas."""

import math

import pytest

from instdisc.methods import learning_rate_factor


def test_cosine():
    for step in range(100):
        expected = 0.5 * (1 + math.cos(math.pi * step / 100))
        assert learning_rate_factor(step, 100) == pytest.approx(expected)


def test_cosine_equals_lightlys():
    from lightly.utils.scheduler import cosine_schedule

    for step in range(50):
        # lightly counts to the last step, we to the end of the last step
        assert learning_rate_factor(step, 49) == pytest.approx(
            cosine_schedule(step, 50, 1.0, 0.0), abs=1e-9
        )


def test_warm_up_rises_from_one_percent_then_the_cosine_begins():
    factors = [learning_rate_factor(step, 100, warmup=0.1) for step in range(100)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[5] == pytest.approx(0.01 + 0.99 * 0.5)
    assert factors[10] == pytest.approx(1.0)
    assert factors[55] == pytest.approx(0.5)
    assert factors[:11] == sorted(factors[:11])
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_steps_of_moco_v1():
    factors = [
        learning_rate_factor(epoch, 200, schedule="step", milestones=(0.6, 0.8))
        for epoch in (0, 119, 120, 159, 160, 199)
    ]
    assert factors == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]


def test_constant():
    assert learning_rate_factor(77, 100, schedule="constant") == 1.0
