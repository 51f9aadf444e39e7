"""Notices a loss that is not finite, and averages losses, without making the device wait."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, nan

import torch
from torch import Tensor

_MOST = 1024  # steps to keep


class FiniteWatch:
    """Keeps the losses of the last steps on the device, to name the first that was not finite.

    Attributes:
        last: the last loss that was looked at; NaN before.
        total: sum of those since `start_anew`.
        count: how many they are.

    Example:
        >>> watch = FiniteWatch()
        >>> watch.note(torch.tensor(1.0), step=0)
        >>> watch.note(torch.tensor(float("nan")), step=1)
        >>> watch.check(lambda: "Lower the learning rate")
        Traceback (most recent call last):
        FloatingPointError: the loss was not finite at step 1. Lower the learning rate
    """

    def __init__(self) -> None:
        self.last, self.total, self.count = nan, 0.0, 0
        self._losses: list[Tensor] = []  # scalars, not yet joined
        self._joined: list[Tensor] = []  # (64,) each
        self._steps: list[int] = []  # of all of them

    def note(self, loss: Tensor, step: int) -> None:
        """Keeps the loss of a step, without its graph.

        Nothing waits, and no kernel starts but once in 64 steps.
        """
        self._losses.append(loss.reshape(()) if loss.ndim else loss)
        self._steps.append(step)
        if len(self._losses) == 64:
            self._joined.append(torch.stack(self._losses))
            self._losses.clear()

    @property
    def is_full(self) -> bool:
        """Whether a check is due, so that what is kept does not grow without end."""
        return len(self._steps) >= _MOST

    def check(self, explain: Callable[[], str]) -> None:
        """Waits for the device, and raises if a noted loss was not finite; forgets the others.

        Args:
            explain: says what may be the reason and what to do; called for the message alone.

        Raises:
            FloatingPointError: names the first such step.
        """
        if not self._steps:
            return
        if len(self._steps) == 1:  # on the CPU after every step
            losses = [self._losses[0].item()]
        else:
            losses = torch.cat([*self._joined, *(loss[None] for loss in self._losses)]).tolist()
        if not all(map(isfinite, losses)):
            bad = next(s for s, loss in zip(self._steps, losses, strict=True) if not isfinite(loss))
            raise FloatingPointError(f"the loss was not finite at step {bad}. {explain()}")
        self.forget()
        self.last = losses[-1]
        self.count += len(losses)
        for loss in losses:  # one by one: the sum does not depend on when it was asked for
            self.total += loss

    def forget(self) -> None:
        """Drops what was noted and not looked at."""
        self._losses, self._joined, self._steps = [], [], []

    def start_anew(self) -> None:
        """Begins another mean, as of an epoch."""
        self.total, self.count = 0.0, 0
