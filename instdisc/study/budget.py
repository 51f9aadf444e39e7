"""The seconds that a call may take."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl


class BudgetSpent(Exception):
    """There is no time left for the next step; what is done is kept."""


class Budget:
    """Ends at a time.

    Args:
        seconds: from now; ``None``: never.

    Example:
        >>> Budget(60.0).allows(1.0), Budget(60.0).allows(100.0), Budget(None).allows(1e9)
        (True, False, True)
    """

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def allows(self, seconds: float = 0.0) -> bool:
        """Whether so many seconds are left."""
        return self._end is None or time.monotonic() + seconds <= self._end

    def check(self) -> None:
        """Raises `BudgetSpent` if it is spent."""
        if not self.allows():
            raise BudgetSpent


class EpochBudget(pl.Callback):
    """Stops a training behind an epoch, if another would not end within the budget.

    Attributes:
        stopped: whether it did.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._start = 0.0
        self.stopped = False

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        self._start = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        left = trainer.current_epoch + 1 < (trainer.max_epochs or 0)
        if left and not self._budget.allows(time.monotonic() - self._start):
            self.stopped = trainer.should_stop = True
