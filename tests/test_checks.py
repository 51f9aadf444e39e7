"""Arguments are refused by name, rule, value and remedy; numbers of every library are taken."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from instdisc import checks
from instdisc.checks import arguments, positive, share

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.25), np.int64(1)])
def test_numbers_of_any_library_pass_unchanged(value):
    assert checks.positive("x", value) is value
    assert checks.share("x", value) is value


@pytest.mark.parametrize("value", [NAN, INF, -INF, 0, -1])
def test_positive_refuses_what_is_not(value):
    with pytest.raises(ValueError, match=r"`rate` must be a finite number above 0, got"):
        checks.positive("rate", value)


def test_an_int_beyond_the_floats_is_not_finite():
    with pytest.raises(ValueError, match="`rate` must be a finite number above 0, got 1000"):
        checks.positive("rate", 10**400)


def test_whole_numbers_beyond_64_bits_are_refused():
    def fill(size: int) -> None:
        arguments(fill, locals(), size=checks.whole)

    fill(2**63 - 1)
    with pytest.raises(ValueError, match="`size` must be a whole number of at most 64 bits, got"):
        fill(10**30)


@pytest.mark.parametrize("value", ["0.2", True, None, [1], torch.tensor(1.0), 1 + 0j])
def test_a_number_is_no_text_and_no_bool(value):
    with pytest.raises(TypeError, match="`rate` must be a finite number"):
        checks.finite("rate", value)


@pytest.mark.parametrize(
    ("bounds", "value"),
    [
        ({"above": 1}, 1),
        ({"at_least": 1}, 0.99),
        ({"below": 1}, 1),
        ({"at_most": 1}, 1.01),
        ({"at_least": 0, "below": 1}, 1),
    ],
)
def test_bounds(bounds, value):
    with pytest.raises(ValueError, match="`x` must be a finite number"):
        checks.finite("x", value, **bounds)


def test_share_may_exclude_zero():
    assert checks.share("x", 0) == 0
    with pytest.raises(ValueError, match="above 0"):
        checks.share("x", 0, zero=False)


@pytest.mark.parametrize("value", [10.5, 10.0, "10", True, None, NAN])
def test_whole_numbers_are_so_by_type(value):
    with pytest.raises(TypeError, match="`size` must be a whole number of at least 1"):
        checks.whole("size", value)


def test_whole_bounds():
    assert checks.whole("x", -3, at_least=None) == -3
    with pytest.raises(ValueError, match="at least 1, got 0"):
        checks.whole("x", 0)
    with pytest.raises(ValueError, match="at most 4, got 5"):
        checks.whole("x", 5, at_most=4)


def test_choice_tells_types_apart_and_suggests():
    assert checks.choice("x", 1, [1, 2]) == 1
    with pytest.raises(ValueError, match="one of 1, 2, got True"):
        checks.choice("x", True, [1, 2])
    with pytest.raises(ValueError, match="Did you mean 'memory'"):
        checks.choice("keep", "memry", ["nothing", "memory"])
    with pytest.raises(ValueError, match="one of 'a', got tensor|one of 'a', got"):
        checks.choice("x", torch.zeros(2), ["a"])


def test_shape_letters_bind():
    tensor = torch.zeros(2, 3)
    assert checks.shape("x", tensor, ("N", 3)) is tensor
    assert checks.shape("x", torch.zeros(2, 2), ("N", "N")).shape == (2, 2)
    for sizes in (("N", "N"), ("N",), (2, 4), ("N", 3, None)):
        with pytest.raises(ValueError, match=r"`x` must be a tensor \("):
            checks.shape("x", tensor, sizes)
    with pytest.raises(TypeError, match="`x` must be a tensor"):
        checks.shape("x", [[1, 2, 3]], ("N", 3))


def test_dtype():
    assert checks.dtype("x", torch.zeros(1), checks.FLOATS).dtype == torch.float32
    with pytest.raises(TypeError, match="`labels` must be of torch.int64"):
        checks.dtype("labels", torch.zeros(1), torch.int64)
    with pytest.raises(TypeError, match="`labels` must be a tensor of torch.int64"):
        checks.dtype("labels", np.zeros(1), torch.int64)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_all_finite_names_the_row(value):
    rows = torch.zeros(4, 2)
    assert checks.all_finite("x", rows) is rows
    rows[2, 1] = value
    with pytest.raises(ValueError, match=rf"`x` must be finite, got {value} in image 2\. Repair"):
        checks.all_finite("x", rows, row="image", remedy="Repair it.")


def test_all_finite_of_whole_numbers_and_scalars():
    checks.all_finite("x", torch.arange(3))
    checks.all_finite("x", torch.zeros(0, 3))
    with pytest.raises(ValueError, match="row 0"):
        checks.all_finite("x", torch.tensor(NAN))


def test_device():
    assert checks.device("device", "cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"`device` must be .* got 'gpu'\. Did you mean 'cuda'"):
        checks.device("device", "gpu")
    with pytest.raises(TypeError, match="`device`"):
        checks.device("device", 0)


@pytest.mark.parametrize(
    ("count", "value", "message"),
    [
        (
            0,
            "cuda",
            "`device` must be a device of this machine, got 'cuda'. torch sees none ",
        ),
        (0, torch.device("cuda:1"), "got 'cuda:1'. torch sees none here. Take 'cpu'."),
        (0, "meta", "got 'meta'. torch sees none here. Take 'cpu'."),
        (2, "cuda:2", "got 'cuda:2'. torch sees 2 of them here. Take a lower number, or 'cuda'."),
    ],
)
def test_a_device_that_the_machine_lacks(count, value, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(ValueError, match=re.escape(message)):
        checks.device("device", value)
    if count:
        assert checks.device("device", "cuda:1") == torch.device("cuda:1")
        assert checks.device("device", "cuda") == torch.device("cuda")


def test_long_values_are_cut():
    with pytest.raises(ValueError, match=r"x{50,}\.\.\.$"):
        checks.choice("x", "x" * 1000, ["a"])


class TestArguments:
    """`arguments` checks a call by its signature."""

    @staticmethod
    def call(
        size: int = 1,
        rate: float = 0.1,
        *,
        on: bool = False,
        mode: Literal["a", "b"] = "a",
        path: str | Path | None = None,
        shares: Sequence[float] = (0.5,),
        pair: tuple[int, int] = (1, 2),
        labels: torch.Tensor | None = None,
        every: Callable[[int], int] | None = None,
    ) -> None:
        arguments(TestArguments.call, locals(), rate=positive, shares=share)

    @pytest.mark.parametrize(
        "good",
        [
            {"size": np.int64(3), "rate": np.float32(0.5)},
            {"rate": 1, "on": np.True_, "mode": "b", "path": Path("x")},
            {"shares": [0, 1], "pair": [3, 4], "labels": torch.zeros(2), "every": abs},
            {"shares": np.array([0.5, 0.5])},
        ],
    )
    def test_what_fits(self, good):
        self.call(**good)

    @pytest.mark.parametrize(
        ("bad", "error", "message"),
        [
            ({"size": 1.0}, TypeError, "`size` must be a whole number, got 1.0"),
            ({"size": True}, TypeError, "`size` must be a whole number, got True"),
            ({"size": None}, TypeError, "`size` must be a whole number, got None"),
            ({"rate": "0.2"}, TypeError, "`rate` must be a finite number, got '0.2'"),
            ({"rate": float("nan")}, ValueError, "`rate` must be a finite .* above 0, got nan"),
            ({"rate": 0}, ValueError, "`rate` must be a finite number above 0, got 0"),
            ({"on": 1}, TypeError, "`on` must be True or False, got 1"),
            ({"mode": "c"}, ValueError, "`mode` must be one of 'a', 'b', got 'c'"),
            ({"mode": 3}, TypeError, "`mode` must be one of 'a', 'b', got 3"),
            ({"path": 3}, TypeError, "`path` must be a text, a Path or None, got 3"),
            ({"shares": 0.5}, TypeError, "`shares` must be a sequence of numbers, got 0.5"),
            ({"shares": "ab"}, TypeError, "`shares` must be a sequence of numbers, got 'ab'"),
            ({"shares": (0.5, 2)}, ValueError, r"`shares\[1\]` must be a finite .* got 2"),
            ({"pair": (1,)}, TypeError, "`pair` must be 2 whole numbers, got .1,."),
            ({"labels": [1]}, TypeError, "`labels` must be a tensor or None, got .1."),
            ({"every": 3}, TypeError, "`every` must be a function or None, got 3"),
        ],
    )
    def test_what_does_not(self, bad, error, message):
        with pytest.raises(error, match=message):
            self.call(**bad)

    def test_a_rule_of_no_argument_is_our_mistake(self):
        def call(size: int) -> None:
            arguments(call, locals(), length=positive)

        with pytest.raises(AssertionError, match="no such arguments"):
            call(1)
