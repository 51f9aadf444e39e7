"""Runs that go on after they were stopped, unchanged or changed."""

from .position import RunPosition as RunPosition
from .settings import RunSettings as RunSettings
