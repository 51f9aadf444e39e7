"""What Triton's kernels and the CPU's compiled loops do one after another for a policy's steps.

The steps of this library are put together as far as one pass over the pixels can do them; a step
of another class stands alone and is applied by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .photometric import (
    ColorJitter,
    GaussianBlur,
    PhotometricStep,
    RandomGrayscale,
    RandomSolarize,
)

# What kernels and loops call the steps on single pixels.
_CODES: dict[type, int] = {ColorJitter: 1, RandomGrayscale: 2, RandomSolarize: 3}
_MAX_STEPS = 15  # in the integer that they take
_FIRST_THRESHOLD = 6  # of the constants, after three means and three standard deviations


@dataclass
class Row:
    """Steps on single pixels that are done in one go.

    Attributes:
        codes: what each step is, see `fused/pixels.py`.
        column: where their numbers begin among those of the policy.
        threshold: where their thresholds begin among the policy's constants.
    """

    column: int
    threshold: int
    codes: list[int] = field(default_factory=list)

    @property
    def packed(self) -> int:
        """The codes as the one integer that kernels and loops take."""
        return sum(code << 2 * place for place, code in enumerate(self.codes))

    @property
    def full(self) -> bool:
        return len(self.codes) == _MAX_STEPS


@dataclass
class Stage:
    """Steps on single pixels, of which one may be a jitter; a blur or none; more such steps.

    Attributes:
        row: the steps before the blur.
        jitter_column: where the numbers of the jitter in `row` are; -1 if it has none.
        jitter_place: how many steps of `row` come before the jitter.
        blur_column: where the blur's number is; -1 without a blur.
        radius: of the blur, in pixels.
        after: the steps after the blur, no jitter among them.
    """

    row: Row
    after: Row
    jitter_column: int = -1
    jitter_place: int = 0
    blur_column: int = -1
    radius: int = 0

    @property
    def empty(self) -> bool:
        return not self.row.codes and self.blur_column < 0


@dataclass
class Custom:
    """A step of another class than kernels and loops know, with the columns of its numbers."""

    step: PhotometricStep
    column: int


def plan_stages(steps: Sequence[PhotometricStep]) -> tuple[list[Stage | Custom], list[float]]:
    """Stages that equal the steps, and the thresholds of the solarisations in order.

    Before the first step and after the last stands a stage, empty if need be: the first reads
    uint8, the last normalises.

    Example:
        >>> from instdisc.data import view_policy
        >>> (stage,), thresholds = plan_stages(view_policy("moco_v3_second").photometric)
        >>> stage.row.codes, stage.radius, stage.after.codes, thresholds
        ([1, 2], 6, [3], [0.5])
    """
    planner = _Planner()
    for step in steps:
        planner.add(step)
    return planner.stages, planner.thresholds


class _Planner:
    def __init__(self) -> None:
        self.column = 0
        self.thresholds: list[float] = []
        self.stages: list[Stage | Custom] = [self._new_stage()]

    def add(self, step: PhotometricStep) -> None:
        if type(step) is GaussianBlur:
            self._add_blur(step)
        elif type(step) in _CODES:
            self._add_to_row(step)
        else:
            if isinstance(last := self.stages[-1], Stage) and last.empty and len(self.stages) > 1:
                self.stages.pop()
            self.stages.append(Custom(step, self.column))
        self.column += step.num_numbers
        if isinstance(self.stages[-1], Custom):
            self.stages.append(self._new_stage())

    def _add_blur(self, step: GaussianBlur) -> None:
        stage = self._last()
        if stage.blur_column >= 0:
            stage = self._start()
        stage.blur_column = self.column
        stage.radius = math.ceil(3 * step.high)
        stage.after = Row(self.column + 1, self._next_threshold())

    def _add_to_row(self, step: PhotometricStep) -> None:
        stage = self._last()
        jitters = type(step) is ColorJitter
        row = stage.row if stage.blur_column < 0 else stage.after
        # The mean grey that a jitter needs is that of the stage's source after other steps.
        if row.full or (jitters and (row is stage.after or stage.jitter_column >= 0)):
            stage = self._start()
            row = stage.row
        if jitters:
            stage.jitter_column, stage.jitter_place = self.column, len(row.codes)
        row.codes.append(_CODES[type(step)])
        if isinstance(step, RandomSolarize):
            self.thresholds.append(step.threshold)

    def _last(self) -> Stage:
        stage = self.stages[-1]
        assert isinstance(stage, Stage)
        return stage

    def _start(self) -> Stage:
        stage = self._new_stage()
        self.stages.append(stage)
        return stage

    def _new_stage(self) -> Stage:
        first = Row(self.column, self._next_threshold())
        return Stage(first, Row(self.column, self._next_threshold()))

    def _next_threshold(self) -> int:
        return _FIRST_THRESHOLD + len(self.thresholds)
