"""The cases of the rooms, and what share of them came out how."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterable

from . import rooms
from .calls import Call
from .outcomes import KINDS, Outcome
from .processes import run_call

ROOMS = sorted(module.name for module in pkgutil.iter_modules(rooms.__path__))


def calls_of(room: str) -> list[Call]:
    """The specifications of a room."""
    calls: list[Call] = importlib.import_module(f"{rooms.__name__}.{room}").CALLS
    return calls


def exemptions_of(room: str) -> dict[str, str]:
    """Public callables of a room that are not tried, with the reason."""
    exempt: dict[str, str] = getattr(
        importlib.import_module(f"{rooms.__name__}.{room}"), "EXEMPT", {}
    )
    return exempt


def run_room(room: str, only: str = "") -> list[Outcome]:
    """The outcomes of a room.

    Args:
        room: a file in rooms/.
        only: a part of a name; callables without it are left out.
    """
    return [out for call in calls_of(room) if only in call.name for out in run_call(call)]


def failures(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """What was not refused."""
    return [outcome for outcome in outcomes if outcome.kind != "refused"]


def say_shares(room: str, outcomes: list[Outcome]) -> str:
    """A line with the number of cases and the share of each outcome."""
    counts = Counter(outcome.kind for outcome in outcomes)
    shares = ", ".join(
        f"{kind} {counts[kind]} ({100 * counts[kind] / max(1, len(outcomes)):.1f} %)"
        for kind in KINDS
    )
    return f"{room}: {len(outcomes)} cases: {shares}"
