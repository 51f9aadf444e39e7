"""The public callables, and which of them have no specification."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from .calls import resolve
from .shares import ROOMS, calls_of, exemptions_of

# Every name that these packages show must have a specification in some room.
PACKAGES = [
    "instdisc",
    "instdisc.losses",
    "instdisc.models",
    "instdisc.methods",
    "instdisc.data",
    "instdisc.data.views",
    "instdisc.callbacks",
    "instdisc.testing",
    "instdisc.distributed",
    "instdisc.transfer",
    "instdisc.analysis",
    "instdisc.metrics",
    "instdisc.report",
    "instdisc.study.claims",
    "instdisc.study.page",
    "instdisc.records",
    "instdisc.types",
    "instdisc.checkpoint",
]


def public_callables(package: str) -> Iterator[tuple[str, Any]]:
    """(dotted name, object) of the classes and functions that a package shows."""
    for name, value in vars(importlib.import_module(package)).items():
        is_callable = inspect.isclass(value) or inspect.isfunction(value)
        if is_callable and not name.startswith("_") and value.__module__.startswith(package):
            yield f"{package}.{name}", value


def unspecified(package: str) -> list[str]:
    """The callables of a package that no room specifies or exempts."""
    specified = [resolve(call.name.split(":")[0]) for room in ROOMS for call in calls_of(room)]
    exempt = [resolve(name) for room in ROOMS for name in exemptions_of(room)]
    done = {id(value) for value in [*specified, *exempt]}
    return [name for name, value in public_callables(package) if id(value) not in done]
