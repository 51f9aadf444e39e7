"""Views finished on the CPU, in pieces that stay in the processor's cache.

Legend: B batch, S size of a view, n numbers of a policy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .dataset import ViewPolicy
from .rows import put, runs, take
from .step import PhotometricStep, changed_views
from .step_results import check_images

_PIECE = 1_200_000  # values per piece
_NOT_CHANGED = -1


class _Plan(NamedTuple):
    """What a step has to do: which form each view needs, ``(B,)``, and its numbers."""

    step: PhotometricStep
    forms: np.ndarray
    numbers: Tensor


class PieceFinisher:
    """Finishes the views of a policy; it gives what `ViewPolicy.finish` gives.

    Views that need the same forms of all steps (`PhotometricStep.num_forms`) are taken together,
    views that a step leaves as they are pass it over.

    Args:
        policy: of the views.
        dtype: of the finished views; they are computed in float32.
    """

    def __init__(self, policy: ViewPolicy, dtype: torch.dtype) -> None:
        self.policy = policy
        self.dtype = dtype
        self._mean = torch.tensor(policy.mean)[:, None, None]
        self._scale = 1 / torch.tensor(policy.std)[:, None, None]

    def __call__(
        self,
        views: Tensor,
        numbers: Tensor,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """``(B, 3, S, S)`` finished from uint8 views and their numbers ``(B, n)``."""
        finished = torch.empty(views.shape, dtype=self.dtype, memory_format=memory_format)
        plans = [_plan(*pair) for pair in self.policy.split(numbers)]
        sequence = np.arange(len(views))
        for plan in plans:
            if plan.step.num_forms > 1:  # views of one form side by side
                sequence = sequence[np.argsort(plan.forms[sequence], kind="stable")]
        size = max(1, _PIECE // views[0].numel())
        for start in range(0, len(views), size):
            rows = sequence[start : start + size]
            # Operators work on whole colour planes.
            images = take(views, rows).to(torch.float32, memory_format=torch.contiguous_format)
            images = images.mul_(1 / 255)
            for plan in plans:
                images = self._apply(plan, images, rows)
            images = images.sub_(self._mean).mul_(self._scale)
            put(finished, rows, images.to(self.dtype, memory_format=memory_format))
        return finished

    def _apply(self, plan: _Plan, images: Tensor, rows: np.ndarray) -> Tensor:
        step, forms, numbers = plan.step, plan.forms[rows], take(plan.numbers, rows)
        if step.num_forms > 1:
            for form, start, end in runs(forms):
                if form != _NOT_CHANGED:
                    part = images[start:end]
                    part.copy_(self._compute(step, form, part, numbers[start:end]))
            return images
        if step.neutral is None:
            # Into the piece: what a step returns may be its own, and what follows writes in place.
            return images.copy_(self._compute(step, 0, images, numbers))
        changed = np.flatnonzero(forms != _NOT_CHANGED)
        if len(changed):
            drawn = take(numbers, changed)
            put(images, changed, self._compute(step, 0, take(images, changed), drawn))
        return images

    def _compute(self, step: PhotometricStep, form: int, images: Tensor, numbers: Tensor) -> Tensor:
        result = step.compute(form, images, numbers)
        return check_images(step, result, images)


def _plan(step: PhotometricStep, numbers: Tensor) -> _Plan:
    forms, arranged = step.arrange(numbers)
    changed = changed_views(step, numbers)
    return _Plan(step, np.where(changed, forms.numpy(), _NOT_CHANGED), arranged)
