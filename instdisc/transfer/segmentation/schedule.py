"""The learning rate over the steps of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from instdisc.checks import checked_call, not_negative, whole

Schedule = Literal["poly", "step"]


@checked_call(step=not_negative, num_steps=whole)
def segmentation_rate(
    step: float,
    num_steps: float,
    *,
    schedule: Schedule = "poly",
    power: float = 0.9,
    least: float = 0.0,
    milestones: Sequence[float] = (0.7, 0.9),
) -> float:
    """By what the learning rate is multiplied at a step.

    ``poly``: ``least + (1 - least) (1 - step / num_steps)^power``; ``step``: a tenth from each
    milestone on.

    Args:
        step: optimiser steps done, from 0.
        num_steps: of the whole training.
        schedule: which of the two.
        power: of ``poly``.
        least: share of the rate at which ``poly`` ends.
        milestones: increasing shares of the training, in (0, 1), for ``step``.

    Source:
        Liu et al., "ParseNet" (2015), and Chen et al., DeepLab (2017): poly with power 0.9; He et
        al., "Momentum Contrast" (2020), appendix: tenths after 70 % and 90 %.

    Example:
        >>> [round(segmentation_rate(step, 4), 3) for step in range(5)]
        [1.0, 0.772, 0.536, 0.287, 0.0]
        >>> [segmentation_rate(step, 10, schedule="step") for step in (6, 7, 9)]
        [1.0, 0.1, 0.01]
    """
    check_schedule(schedule, power, least, milestones, least_name="least")
    if schedule == "poly":
        left = max(0.0, 1 - step / num_steps)
        return least + (1 - least) * left**power
    passed = sum(step >= round(share * num_steps) for share in milestones)
    return float(f"1e-{passed}")


def check_schedule(
    schedule: str,
    power: float,
    least: float,
    milestones: Sequence[float],
    *,
    least_name: str = "least_rate",
) -> None:
    """Refuses what `segmentation_rate` cannot follow.

    Raises:
        ValueError: if `schedule` is unknown, `power` is not positive, `least` lies outside
            [0, 1], or `milestones` do not increase within (0, 1).
    """
    if schedule not in ("poly", "step"):
        raise ValueError(f"`schedule` must be 'poly' or 'step', got {schedule!r}")
    if not power > 0:
        raise ValueError(f"`power` must be positive, got {power}")
    if not 0 <= least <= 1:
        raise ValueError(f"`{least_name}` must lie in [0, 1], a share of the rate, got {least}")
    if list(milestones) != sorted(set(milestones)) or not all(0 < m < 1 for m in milestones):
        raise ValueError(
            "`milestones` are shares of the training and must increase within (0, 1), "
            f"got {tuple(milestones)}. For steps 63,000 and 81,000 of 90,000 write (0.7, 0.9)."
        )
