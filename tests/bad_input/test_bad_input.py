"""No bad value of a public argument is accepted, comes raw from the depth, hangs or kills."""

import pytest

from .shares import ROOMS, calls_of, failures, run_room, say_shares


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_every_bad_value_is_refused(room: str, capsys: pytest.CaptureFixture[str]):
    outcomes = run_room(room)
    with capsys.disabled():
        print(f"\n{say_shares(room, outcomes)}")
    assert failures(outcomes) == []


def test_there_are_many_cases():
    assert sum(len(call.cases()) for room in ROOMS for call in calls_of(room)) >= 400
