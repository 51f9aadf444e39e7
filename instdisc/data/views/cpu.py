"""Views finished on the CPU, in pieces that stay in the processor's cache.

Legend: B batch, S size of a view, n numbers of a policy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .dataset import ViewPolicy
from .photometric import PhotometricStep
from .step_results import check_images

_PIECE = 1_200_000  # values per piece
_NOT_CHANGED, _NO_FORM = -1, -2


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
        compile: see `ViewFinisher`; one graph for each form of a step.
    """

    def __init__(self, policy: ViewPolicy, dtype: torch.dtype, *, compile: bool = False) -> None:
        self.policy = policy
        self.dtype = dtype
        self.compile = compile
        self._graphs: dict[tuple[int, int], Callable[..., Tensor]] = {}
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
            ends = np.flatnonzero(np.diff(forms, append=_NO_FORM)) + 1
            for start, end in zip([0, *ends[:-1]], ends, strict=True):
                if forms[start] != _NOT_CHANGED:
                    part = images[start:end]
                    part.copy_(self._compute(step, int(forms[start]), part, numbers[start:end]))
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
        return check_images(step, self._computed(step, form, images, numbers), images)

    def _computed(
        self, step: PhotometricStep, form: int, images: Tensor, numbers: Tensor
    ) -> Tensor:
        if not self.compile or not step.compiles:
            return step.compute(form, *step.prepare(images, numbers))
        if len(images) == 1:  # torch.compile would make a graph of its own for a single view
            return self._computed(step, form, images.repeat(2, 1, 1, 1), numbers.repeat(2, 1))[:1]
        prepared = step.prepare(images, numbers)
        for tensor in prepared:
            torch._dynamo.maybe_mark_dynamic(tensor, 0)
        return self._compiled(step, form)(*prepared)

    def _compiled(self, step: PhotometricStep, form: int) -> Callable[..., Tensor]:
        key = id(step), form  # a step need not be hashable; the policy keeps it
        if key not in self._graphs:

            def compute(*prepared: Tensor) -> Tensor:
                return step.compute(form, *prepared)

            # torch limits the graphs that one piece of code may have: each gets its own.
            name = f"compute_{type(step).__name__}_{form}"
            compute.__code__ = compute.__code__.replace(co_name=name)
            self._graphs[key] = torch.compile(compute)
        return self._graphs[key]


def take(tensor: Tensor, rows: np.ndarray) -> Tensor:
    """Rows of a tensor, ``(B, n)`` or ``(B, C, H, W)``, in its memory format."""
    last = _has_channels_last(tensor)
    taken = torch.from_numpy(_array(tensor, last)[rows])
    return taken.permute(0, 3, 1, 2) if last else taken


def put(tensor: Tensor, rows: np.ndarray, values: Tensor) -> None:
    """Writes rows of a tensor; torch's `index_copy_` is slower."""
    last = _has_channels_last(tensor)
    _array(tensor, last)[rows] = _array(values, last)


def _has_channels_last(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and not tensor.is_contiguous()


def _array(tensor: Tensor, channels_last: bool) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:  # which numpy does not have
        tensor = tensor.view(torch.int16)
    array: np.ndarray = (tensor.permute(0, 2, 3, 1) if channels_last else tensor).numpy()
    return array


def _plan(step: PhotometricStep, numbers: Tensor) -> _Plan:
    if step.neutral is None:
        changed = np.ones(len(numbers), bool)
    else:
        changed = (numbers.numpy() != np.array(step.neutral, np.float32)).any(1)
    forms, arranged = step.arrange(numbers)
    return _Plan(step, np.where(changed, forms.numpy(), _NOT_CHANGED), arranged)
