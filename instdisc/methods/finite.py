"""Notices a loss that is not finite without making the device wait."""

from __future__ import annotations

import torch
from torch import Tensor


class FiniteWatch:
    """Remembers, on the device, the first step whose loss was not finite.

    Example:
        >>> watch = FiniteWatch()
        >>> watch.note(torch.tensor(1.0), step=0)
        >>> watch.note(torch.tensor(float("nan")), step=1)
        >>> watch.check(kept=None)
        Traceback (most recent call last):
        FloatingPointError: the loss was not finite at step 1. Lower the learning rate or use ...
    """

    def __init__(self) -> None:
        self._first: Tensor | None = None  # int64 scalar, -1 while all is well

    def note(self, loss: Tensor, step: int) -> None:
        """Looks at the loss of a step; nothing waits."""
        loss = loss.detach()
        bad = torch.where(torch.isfinite(loss), -1, step)
        self._first = bad if self._first is None else torch.where(self._first < 0, bad, self._first)

    def check(self, kept: str | None) -> None:
        """Waits for the device, and raises if a noted loss was not finite.

        Args:
            kept: path of the last good checkpoint, for the message.

        Raises:
            FloatingPointError: names the first such step.
        """
        step = -1 if self._first is None else int(self._first)
        if step >= 0:
            raise FloatingPointError(
                f"the loss was not finite at step {step}. Lower the learning rate or use another "
                "precision; "
                + (f"the last good checkpoint is {kept}" if kept else "no checkpoint was written")
            )
