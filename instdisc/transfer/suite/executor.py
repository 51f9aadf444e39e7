"""The executor of a suite: a user's, or one that is made again where dead processes broke it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from typing import Any, Protocol

from .work import reason_of

_GUARD = 'a script that starts processes begins its work below `if __name__ == "__main__":`'


class Executor(Protocol):
    """Whatever runs functions elsewhere, as `concurrent.futures.Executor` does."""

    def submit(self, function: Any, /, *arguments: Any) -> Any:
        """Has a function called; the result has ``done()`` and ``result()``."""


class MadeAgain:
    """The executor of a suite.

    Args:
        executor: or a function that makes one; another is made if processes that died broke it.
    """

    def __init__(self, executor: Executor | Callable[[], Executor]) -> None:
        made = is_made(executor)
        self._make: Any = None if made else executor
        self._executor: Any = executor if made else None
        self._broken: BrokenExecutor | None = None
        self._progress = False  # since the executor was made

    def current(self) -> Any:
        """The executor; it is made when it is asked for first."""
        if self._executor is None:
            self._executor, self._progress = self._make(), False
        return self._executor

    def note_progress(self) -> None:
        """Says that a process of it has begun something."""
        self._progress = True

    def note_broken(self, error: BrokenExecutor, executor: Any = None) -> None:
        """Says that it takes no more work.

        Args:
            error: what it raised.
            executor: that was broken; ``None`` for the current one.
        """
        if executor is None or executor is self._executor:
            self._broken = error

    def renew(self) -> str:
        """Lets go of a broken one, so that another is made; why none can take its place, if so."""
        if self._broken is None:
            return ""
        reason = reason_of(self._broken)
        if self._make is None:
            return (
                f"processes of the executor died, which broke it ({reason}). Run the "
                "suite again, or give a function that makes one, so that another can be made: "
                "executor=lambda: ProcessPoolExecutor(...)"
            )
        self._broken = None
        _shut_down(self._executor, wait=False)
        self._executor = None
        if not self._progress:
            return f"no process of the executor could begin ({reason}); {_GUARD}"
        return ""

    def end(self, *, wait: bool) -> None:
        """Shuts down what was made here; what a user gave stays open."""
        if self._make is not None and self._executor is not None:
            _shut_down(self._executor, wait=wait)


def is_made(executor: object) -> bool:
    """Whether it is an executor, not a function or a class that makes one."""
    return hasattr(executor, "submit") and not isinstance(executor, type)


def _shut_down(executor: Any, *, wait: bool) -> None:
    if hasattr(executor, "shutdown"):  # submitit's has nothing to shut down
        executor.shutdown(wait=wait)
