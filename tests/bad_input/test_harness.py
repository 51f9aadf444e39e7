"""The generator itself: planted functions that it must see through."""

import os
import time

import pytest
import torch

from . import sorts
from .calls import Call
from .outcomes import names
from .processes import run_call


def ask(count: int, rate: float = 0.5) -> None:
    """Refuses as it should."""
    if type(count) is not int:
        raise TypeError(f"`count` must be a whole number, got {count!r}")
    if count < 1:
        raise ValueError(f"`count` must be at least 1, got {count}")


def accept(count: int) -> None:
    """Takes whatever comes."""


def speak_of_another(count: int) -> None:
    """Names what the user did not write."""
    raise ValueError("`size` must be at least 1")


def fail_raw(count: int) -> None:
    """Lets a library's error through."""
    if type(count) is not int or count < 1:
        torch.zeros(2)[3]


def die(count: int) -> None:
    """Ends the process at a text."""
    if type(count) is not int or count < 1:
        os._exit(3) if isinstance(count, str) else ask(count)


def hang(count: int) -> None:
    """Never answers a text."""
    while isinstance(count, str):
        time.sleep(0.01)
    ask(count)


def outcomes(function, **more):
    call = Call("planted", lambda: {"count": 4}, {"count": sorts.whole(1)}, **more)
    call.function = lambda: function
    return list(run_call(call))


def test_refusals_are_seen():
    call = Call(
        "planted",
        lambda: {"count": 4},
        {"count": sorts.whole(1), "rate": None},
        function=lambda: ask,
    )
    assert {outcome.kind for outcome in run_call(call)} == {"refused"}


@pytest.mark.parametrize(
    ("function", "kind"), [(accept, "accepted"), (fail_raw, "raw"), (speak_of_another, "broken")]
)
def test_faults_are_seen(function, kind: str):
    assert {outcome.kind for outcome in outcomes(function)} == {kind}


@pytest.mark.parametrize(("function", "kind"), [(die, "died"), (hang, "hung")])
def test_the_other_cases_go_on(function, kind: str):
    results = outcomes(function, seconds=0.5)
    assert [outcome.case for outcome in results if outcome.kind == kind] == ["planted(count=text)"]
    assert {outcome.kind for outcome in results} == {kind, "refused"}


@pytest.mark.parametrize(
    ("message", "seen"),
    [
        ("`size` must be", True),
        ("`size[1]` must be", True),
        ("`size.width` must be", True),
        ("`queue_size` must be", False),
        ("size must be", False),
    ],
)
def test_names_in_backticks(message: str, seen: bool):
    assert names(message, "size") is seen


def test_an_argument_without_a_sort_is_refused():
    call = Call("planted", lambda: {"count": 4}, function=lambda: lambda mystery: None)
    with pytest.raises(LookupError, match=r"planted\(mystery\)"):
        call.cases()
