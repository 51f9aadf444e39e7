"""How long and how fast a detector is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from instdisc.checks import checked_call, whole

_WARMUP_START = 1e-3


@checked_call(iterations=whole, milestones=whole)
class DetectionRecipe(NamedTuple):
    """Iterations and learning rate, for a batch of a certain size.

    Attributes:
        iterations: optimiser steps.
        batch_size: images of a step, of all processes together.
        learning_rate: after the warm-up.
        milestones: iterations at which the rate falls tenfold.
        warmup: iterations over which the rate rises in a straight line from a thousandth.
    """

    iterations: int
    batch_size: int
    learning_rate: float
    milestones: tuple[int, ...]
    warmup: int

    def for_batch(self, batch_size: int) -> DetectionRecipe:
        """The same training with another batch, by the linear rule.

        With k times the batch the rate is k times as high, and everything that is counted in
        iterations a k-th as long, so as many images are seen.

        Args:
            batch_size: the other batch.

        Raises:
            ValueError: if it is not positive.

        Source:
            Goyal et al., "Accurate, Large Minibatch SGD" (2017), section 2.1; as detectron2's
            reference world size does it.

        Example:
            >>> VOC0712_RECIPE.for_batch(4)[:4]
            (96000, 4, 0.005, (72000, 88000))
        """
        whole("batch_size", batch_size)
        share = self.batch_size / batch_size
        return DetectionRecipe(
            max(1, round(self.iterations * share)),
            batch_size,
            self.learning_rate / share,
            tuple(max(1, round(milestone * share)) for milestone in self.milestones),
            round(self.warmup * share),
        )


VOC07_RECIPE = DetectionRecipe(9_000, 16, 0.02, (6_000, 8_000), 100)
"""Zhao et al. (2021), with the warm-up of MoCo's configuration."""

VOC0712_RECIPE = DetectionRecipe(24_000, 16, 0.02, (18_000, 22_000), 100)
"""He et al. (2020)."""

COCO_1X_RECIPE = DetectionRecipe(90_000, 16, 0.02, (60_000, 80_000), 1_000)
"""He et al. (2020); the warm-up is detectron2's."""

COCO_2X_RECIPE = DetectionRecipe(180_000, 16, 0.02, (120_000, 160_000), 1_000)
"""He et al. (2020); the warm-up is detectron2's."""


def rate_factor(iteration: float, *, milestones: Sequence[int], warmup: int) -> float:
    """By what the learning rate is multiplied.

    Args:
        iteration: done before, from 0.
        milestones: at which the rate falls tenfold.
        warmup: iterations of the warm-up.

    Example:
        >>> [rate_factor(one, milestones=[6, 8], warmup=2) for one in (0, 1, 2, 6, 8)]
        [0.001, 0.5005, 1.0, 0.1, 0.01]
    """
    done = min(1.0, iteration / warmup) if warmup else 1.0
    fallen = sum(iteration >= milestone for milestone in milestones)
    return (_WARMUP_START * (1 - done) + done) * float(f"1e-{fallen}")


def check_recipe(recipe: DetectionRecipe) -> None:
    """Refuses what cannot be trained.

    Raises:
        ValueError: if a number is out of range, or the milestones do not increase.
    """
    for name in ("iterations", "batch_size", "learning_rate"):
        if not getattr(recipe, name) > 0:
            raise ValueError(f"`{name}` must be positive, got {getattr(recipe, name)}")
    if recipe.warmup < 0:
        raise ValueError(f"`warmup` must be at least 0 iterations, got {recipe.warmup}")
    marks = list(recipe.milestones)
    if marks != sorted(set(marks)) or any(milestone < 1 for milestone in marks):
        raise ValueError(
            f"`milestones` are iterations and must increase from 1 on, got {tuple(marks)}. For "
            "two thirds of 9,000 write 6000."
        )
