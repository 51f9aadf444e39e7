"""The momentum of a run's slow encoders over its steps."""

from __future__ import annotations

from torch import nn

from instdisc.models import MomentumEncoder

from .schedule import cosine_between


class MomentumSchedule:
    """Moves m of every momentum encoder in a module from what it has to one value, as a cosine.

    Args:
        module: with all its momentum encoders.
        last: m at the end of the run; ``None``: nothing moves.

    Source:
        Grill et al., "Bootstrap Your Own Latent" (2020), for which `last` is 1.

    Example:
        >>> slow = MomentumEncoder(nn.Linear(1, 1), momentum=0.9)
        >>> MomentumSchedule(slow, 1.0).begin_update(0.5)
        >>> round(slow.momentum, 3)
        0.95
    """

    def __init__(self, module: nn.Module, last: float | None) -> None:
        self._last = last
        self._encoders = [
            (part, part.momentum) for part in module.modules() if isinstance(part, MomentumEncoder)
        ]

    def begin_update(self, done: float) -> None:
        """Sets m for the update after a step.

        Args:
            done: share of the run that was done before it.
        """
        if self._last is not None:
            for encoder, first in self._encoders:
                encoder.momentum = cosine_between(first, self._last, done)
