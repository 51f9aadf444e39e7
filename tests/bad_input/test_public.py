"""Every public callable has a specification, or stands among the exemptions with a reason."""

import pytest

from .public import PACKAGES, unspecified
from .shares import ROOMS, calls_of, exemptions_of


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_callable_is_specified(package: str):
    assert unspecified(package) == []


@pytest.mark.parametrize("room", ROOMS)
def test_exemptions_have_reasons(room: str):
    specified = {call.name for call in calls_of(room)}
    for name, reason in exemptions_of(room).items():
        assert len(reason.split()) >= 3, name
        assert name not in specified


@pytest.mark.parametrize("room", ROOMS)
def test_sorts_are_told(room: str):
    for call in calls_of(room):
        assert call.cases(), f"{call.name} has no case: exempt it, or say its sorts"
