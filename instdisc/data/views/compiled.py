"""Views finished on the CPU by compiled loops, in as few passes over the memory as there can be.

Legend: B batch, S x T size of a view, r views of a piece, m numbers of a stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .dataset import ViewPolicy
from .rows import put, runs, take
from .stages import NOT_CHANGED, Stage, stages_of
from .step_results import check_images

_PIECE = 2_000_000  # values per piece


class _Plan(NamedTuple):
    """What a stage has to do: which form each view needs, ``(B,)``, and its numbers ``(B, m)``."""

    stage: Stage
    forms: np.ndarray
    numbers: Tensor


class CompiledFinisher:
    """Finishes the views of a policy; it gives what `ViewPolicy.finish` gives.

    A stage of steps that work pixel by pixel is one loop over the pixels, compiled for each form.
    Views of one form are taken together, and written as soon as no later stage changes them.

    Args:
        policy: of the views.
        dtype: of the finished views; they are computed in float32.
    """

    def __init__(self, policy: ViewPolicy, dtype: torch.dtype) -> None:
        self.policy = policy
        self.dtype = dtype
        self._stages = stages_of(policy)
        self._graphs: dict[tuple[int, int], Callable[..., Tensor]] = {}

    def __call__(
        self,
        views: Tensor,
        numbers: Tensor,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """``(B, 3, S, T)`` finished from uint8 views and their numbers ``(B, n)``."""
        finished = torch.empty(views.shape, dtype=self.dtype, memory_format=memory_format)
        drawn = (part for _, part in self.policy.split(numbers))
        plans = [_Plan(stage, *stage.arrange(drawn, len(views))) for stage in self._stages]
        last = _last_changes(plans)
        # Views of one form side by side, in front of them those that are written first.
        forms = [plan.forms for plan in plans if plan.stage.num_forms > 1]
        order = np.lexsort([last, *reversed(forms)])
        size = max(1, _PIECE // views[0].numel())
        for start in range(0, len(views), size):
            rows = order[start : start + size]
            images = take(views, rows)
            for place, plan in enumerate(plans):
                kept = []
                for begin, end, result in self._apply(place, plan, images, rows):
                    part = rows[begin:end]
                    count = int((last[part] == place).sum())
                    if place and 0 < count < len(part):  # of several forms of an earlier stage
                        sequence = np.argsort(last[part], kind="stable")
                        part, result = part[sequence], take(result, sequence)
                    if count:
                        ready = result[:count].to(self.dtype, memory_format=memory_format)
                        put(finished, part[:count], ready)
                    if count < len(part):
                        kept.append((part[count:], result[count:]))
                if not kept:
                    break
                rows = np.concatenate([part for part, _ in kept])
                images = torch.cat([values for _, values in kept])  # a step's result stays its own
        return finished

    def _apply(
        self, place: int, plan: _Plan, images: Tensor, rows: np.ndarray
    ) -> Iterator[tuple[int, int, Tensor]]:
        """Where the parts of a piece begin and end, and what a stage makes of each."""
        stage, forms, numbers = plan.stage, plan.forms[rows], take(plan.numbers, rows)
        if stage.num_forms == 1:  # what is not changed need not lie side by side
            changed = np.flatnonzero(forms != NOT_CHANGED)
            if len(changed) == len(rows):
                yield 0, len(rows), self._compute(place, 0, images, numbers)
                return
            if len(changed):
                drawn = take(numbers, changed)
                put(images, changed, self._compute(place, 0, take(images, changed), drawn))
            yield 0, len(rows), images
            return
        for form, start, end in runs(forms):
            part = images[start:end]
            if form != NOT_CHANGED or stage.joined:
                part = self._compute(place, form, part, numbers[start:end])
            yield start, end, part

    def _compute(self, place: int, form: int, images: Tensor, numbers: Tensor) -> Tensor:
        stage = self._stages[place]
        prepared = stage.prepare(images, numbers)
        if not stage.compiles:
            result = stage.compute(form, *prepared)
        elif len(images) == 1:  # torch.compile would make a graph of its own for a single view
            doubled = (tensor.repeat(2, *[1] * (tensor.dim() - 1)) for tensor in prepared)
            result = self._run(place, form, *doubled)[:1]
        else:
            result = self._run(place, form, *prepared)
        return result if stage.joined else check_images(stage.steps[0], result, images)

    def _run(self, place: int, form: int, *prepared: Tensor) -> Tensor:
        for tensor in prepared:
            torch._dynamo.maybe_mark_dynamic(tensor, 0)
        if (place, form) not in self._graphs:
            stage = self._stages[place]

            def compute(*prepared: Tensor) -> Tensor:
                return stage.compute(form, *prepared)

            # torch limits the graphs that one piece of code may have: each gets its own.
            name = f"compute_stage_{place}_{form}".replace("-", "no_")
            compute.__code__ = compute.__code__.replace(co_name=name)
            self._graphs[place, form] = torch.compile(compute)
        return self._graphs[place, form](*prepared)


def _last_changes(plans: Sequence[_Plan]) -> np.ndarray:
    """Which stage is the last that changes each view, ``(B,)``."""
    places = [
        np.where((plan.forms != NOT_CHANGED) | plan.stage.joined, place, 0)
        for place, plan in enumerate(plans)
    ]
    last: np.ndarray = np.max(places, axis=0)
    return last
