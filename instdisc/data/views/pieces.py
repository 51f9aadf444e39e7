"""Views finished on the CPU, in pieces that stay in the processor's cache.

Legend: B batch, S size of a view, n numbers of a policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from .dataset import ViewPolicy
from .photometric import PhotometricStep

_PIECE = 1_200_000  # values per piece
_NOT_CHANGED = -1
_Apply = Callable[[Tensor, Tensor], Tensor]


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
        self._operators: dict[tuple[PhotometricStep, int], _Apply] = {}
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
        for rows, forms in self._pieces(numbers, max(1, _PIECE // views[0].numel())):
            # Operators work on whole colour planes.
            images = take(views, rows).to(torch.float32, memory_format=torch.contiguous_format)
            images = images.mul_(1 / 255)
            parts = self.policy.split(take(numbers, rows))
            for (step, own), form in zip(parts, forms, strict=True):
                images = self._apply(step, images, own, form)
            images = images.sub_(self._mean).mul_(self._scale)
            put(finished, rows, images.to(self.dtype, memory_format=memory_format))
        return finished

    def _pieces(self, numbers: Tensor, size: int) -> Iterator[tuple[np.ndarray, Sequence[int]]]:
        """Rows of at most `size` views, and the form of each step that all of them need."""
        columns = [np.zeros((len(numbers), 0), int)]
        for step, own in self.policy.split(numbers):
            forms = np.zeros(len(numbers), int)
            if step.num_forms > 1:
                forms = np.where(_changed(step, own), step.forms(own).numpy(), _NOT_CHANGED)
            columns.append(forms[:, None])
        kinds, kind = np.unique(np.concatenate(columns, 1), axis=0, return_inverse=True)
        for number, forms in enumerate(kinds.tolist()):
            rows = np.flatnonzero(kind.ravel() == number)
            for start in range(0, len(rows), size):
                piece = rows[start : start + size]
                # torch.compile would make graphs of their own for a single view: twice, then.
                yield (piece.repeat(2) if self.compile and len(piece) == 1 else piece), forms

    def _apply(self, step: PhotometricStep, images: Tensor, numbers: Tensor, form: int) -> Tensor:
        if form == _NOT_CHANGED:
            return images
        if step.neutral is None or step.num_forms > 1:
            return self._operator(step, form)(images, numbers)
        rows = np.flatnonzero(_changed(step, numbers))
        if self.compile and len(rows) == 1:
            rows = rows.repeat(2)
        if len(rows):
            changed = self._operator(step, form)(take(images, rows), take(numbers, rows))
            put(images, rows, changed)
        return images

    def _operator(self, step: PhotometricStep, form: int) -> _Apply:
        if (step, form) not in self._operators:

            def apply(images: Tensor, numbers: Tensor) -> Tensor:
                if step.num_forms == 1:
                    return step.apply(images, numbers)
                return step.apply_form(images, numbers, form)

            self._operators[step, form] = apply
            if self.compile and step.compiles:
                # torch limits the graphs that one piece of code may have: each gets its own.
                name = f"{type(step).__name__}_{form}"
                apply.__code__ = apply.__code__.replace(co_name=name)
                compiled = torch.compile(apply)

                def apply_compiled(images: Tensor, numbers: Tensor) -> Tensor:
                    torch._dynamo.maybe_mark_dynamic(images, 0)
                    return compiled(images, numbers)

                self._operators[step, form] = apply_compiled
        return self._operators[step, form]


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


def _changed(step: PhotometricStep, numbers: Tensor) -> np.ndarray:
    if step.neutral is None:
        return np.ones(len(numbers), bool)
    changed: np.ndarray = (numbers.numpy() != np.array(step.neutral, np.float32)).any(1)
    return changed
