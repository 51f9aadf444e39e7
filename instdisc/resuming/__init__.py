"""Runs that go on after they were stopped, unchanged or changed."""

from .groups import RateSchedule as RateSchedule
from .position import RunPosition as RunPosition
from .settings import Change as Change
from .settings import RunSettings as RunSettings
