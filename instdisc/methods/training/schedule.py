"""The learning rate over the steps of a run."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import Literal

from instdisc.checks import arguments, not_negative, whole, within

Schedule = Literal["cosine", "step", "constant"]

WARMUP_START = 0.01
_fraction = within(at_least=0, below=1)


def learning_rate_factor(
    step: float,
    num_steps: int,
    *,
    schedule: Schedule = "cosine",
    warmup: float = 0.0,
    milestones: Sequence[float] = (0.6, 0.8),
) -> float:
    """By what the base learning rate is multiplied at a step.

    ``cosine`` falls to 0 as ``(1 + cos(pi t)) / 2``, t being the share of the steps after the
    warm-up that are done; ``step`` divides by 10 at each milestone; ``constant`` stays at 1. The
    warm-up before rises in a straight line from 1 % to 100 %.

    Args:
        step: optimiser steps done, from 0; a fraction where a resume changed their size.
        num_steps: optimiser steps of the whole run.
        schedule: which of the three.
        warmup: share of the run, in [0, 1), that the warm-up takes.
        milestones: increasing shares of the run, in (0, 1); for ``step`` alone.

    Returns:
        The factor, in [0, 1].

    Source:
        Cosine and step: He et al. (2020) and Chen et al. (2020), MoCo v1 and v2; warm-up: the
        code of Islam et al. (2021). Differs from them: it moves every step instead of every
        epoch, and the cosine always ends at 0.

    Example:
        >>> [round(learning_rate_factor(step, 4), 3) for step in range(4)]
        [1.0, 0.854, 0.5, 0.146]
        >>> [learning_rate_factor(step, 10, schedule="step") for step in (5, 6, 8)]
        [1.0, 0.1, 0.01]
    """
    arguments(learning_rate_factor, locals(), step=not_negative, num_steps=whole, warmup=_fraction)
    check_schedule(schedule, warmup, milestones)
    return read_schedule(step, num_steps, schedule, warmup, milestones)


def read_schedule(
    step: float, num_steps: int, schedule: Schedule, warmup: float, milestones: Sequence[float]
) -> float:
    """`learning_rate_factor` of settings that were checked before: it is read at every step."""
    warmup_steps = round(warmup * num_steps)
    if step < warmup_steps:
        return WARMUP_START + (1 - WARMUP_START) * step / warmup_steps
    if schedule == "cosine":
        done = (step - warmup_steps) / max(1, num_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    if schedule == "step":
        passed = bisect.bisect_right([round(share * num_steps) for share in milestones], step)
        return float(f"1e-{passed}")
    return 1.0


def cosine_between(first: float, last: float, done: float) -> float:
    """A value that goes from `first` to `last` as half a cosine wave.

    Args:
        first: at the beginning.
        last: at the end.
        done: share of the run that is done, in [0, 1].

    Source:
        The momentum of Grill et al., "Bootstrap Your Own Latent" (2020), read at every step.

    Example:
        >>> [round(cosine_between(0.99, 1.0, done), 4) for done in (0.0, 0.5, 1.0)]
        [0.99, 0.995, 1.0]
    """
    return last - (last - first) * (1 + math.cos(math.pi * done)) / 2


def check_schedule(schedule: str, warmup: float, milestones: Sequence[float]) -> None:
    """Refuses what `learning_rate_factor` cannot follow.

    Raises:
        ValueError: if `schedule` is unknown, `warmup` lies outside [0, 1), or `milestones` do not
            increase within (0, 1).
    """
    if schedule not in ("cosine", "step", "constant"):
        raise ValueError(f"`schedule` must be 'cosine', 'step' or 'constant', got {schedule!r}")
    if not 0 <= warmup < 1:
        raise ValueError(
            f"`warmup` is a share of the run and must lie in [0, 1), got {warmup}. "
            "For 5 of 400 epochs write 5 / 400 = 0.0125."
        )
    if list(milestones) != sorted(set(milestones)) or not all(0 < m < 1 for m in milestones):
        raise ValueError(
            "`milestones` are shares of the run and must increase within (0, 1), "
            f"got {tuple(milestones)}. For epochs 120 and 160 of 200 write (0.6, 0.8)."
        )
