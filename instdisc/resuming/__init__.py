"""Runs that go on after they were stopped, unchanged or changed."""

from .groups import RateSchedule as RateSchedule
from .overriding import refuse_override as refuse_override
from .position import RunPosition as RunPosition
from .settings import Change as Change
from .settings import RunSettings as RunSettings
