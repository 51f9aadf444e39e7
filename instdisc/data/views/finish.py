"""The device's part of the views, fast on the CPU and on a GPU.

Legend: B batch, V views, S size of a view, n numbers of a policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from instdisc.heap import keep_freed_blocks
from instdisc.types import Views

from . import gpu
from .dataset import RawViews, ViewPolicy
from .fused import FusedFinisher
from .photometric import PhotometricStep

_PIECE = 1_200_000  # values per piece on the CPU: what stays in its cache
_Apply = Callable[[Tensor, Tensor], Tensor]


class ViewFinisher:
    """Computes the colours of raw batches as their policies say; draws nothing.

    It gives what `ViewPolicy.finish` gives for each view. On the CPU it works in pieces and
    passes over views that a step leaves as they are; on a GPU it never waits for the device, and
    where Triton is at hand a few kernels do it all.

    Args:
        policies: those of the data set that makes the batches, one per view.
        dtype: of the views; they are computed in float32.
        compile: compile those steps that gain by it with `torch.compile`: some seconds for each,
            when it first comes. Nothing is left to compile where Triton's kernels finish them.

    Example:
        >>> from instdisc.data import Scenes, ViewDataset, view_policy
        >>> dataset = ViewDataset(Scenes(8, image_size=32), [view_policy("moco_v2", 32)] * 2)
        >>> finish = ViewFinisher(dataset.policies, dtype=torch.bfloat16)
        >>> images, labels, indices = finish(dataset.batch([(0, 5), (0, 2)]))
        >>> images[1].shape, images[1].dtype
        (torch.Size([2, 3, 32, 32]), torch.bfloat16)
    """

    def __init__(
        self,
        policies: Sequence[ViewPolicy],
        *,
        dtype: torch.dtype = torch.float32,
        compile: bool = False,
    ) -> None:
        self.policies = tuple(policies)
        self.dtype = dtype
        self.compile = compile
        self._operators: dict[PhotometricStep, _Apply] = {}
        self._fused: dict[ViewPolicy, FusedFinisher] = {}
        self._constants: dict[object, Tensor] = {}
        keep_freed_blocks()

    def __call__(
        self, raw: RawViews, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Views:
        """A batch of views on the device where the raw ones lie, in a memory format."""
        batch = zip(self.policies, raw.views, raw.numbers, strict=True)
        images = [self._finish(*view, memory_format) for view in batch]
        return Views(images, raw.labels, raw.indices)

    def _finish(
        self,
        policy: ViewPolicy,
        views: Tensor,
        numbers: Tensor,
        memory_format: torch.memory_format,
    ) -> Tensor:
        if gpu.available(views.device):
            if policy not in self._fused:
                self._fused[policy] = FusedFinisher(policy, self.dtype)
            return self._fused[policy](views, numbers, memory_format)
        on_cpu = views.device.type == "cpu"
        piece = max(1, _PIECE // views[0].numel()) if on_cpu else len(views)
        mean = self._constant(policy.mean, views.device)
        std = self._constant(policy.std, views.device)
        finished = torch.empty(
            views.shape, dtype=self.dtype, device=views.device, memory_format=memory_format
        )
        pieces = zip(*(each.split(piece) for each in (views, numbers, finished)), strict=True)
        for part, part_numbers, out in pieces:
            # Operators work on whole colour planes.
            images = part.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
            for step, own in policy.split(part_numbers):
                images = self._apply(step, images, own, passes_over=on_cpu)
            torch.div(images.sub_(mean), std, out=out)
        return finished

    def _apply(
        self, step: PhotometricStep, images: Tensor, numbers: Tensor, passes_over: bool
    ) -> Tensor:
        operator = self._operator(step)
        if not passes_over or step.neutral is None:
            return operator(images, numbers)
        neutral = self._constant(tuple(step.neutral), numbers.device).flatten()
        rows = (numbers != neutral).any(1).nonzero()[:, 0]
        changed, own = images.index_select(0, rows), numbers.index_select(0, rows)
        if len(rows) == 1:  # torch.compile would make a graph of its own for a single view
            changed = step.apply(changed, own)
        elif len(rows):
            torch._dynamo.maybe_mark_dynamic(changed, 0)
            changed = operator(changed, own)
        images.numpy()[rows.numpy()] = changed.numpy()  # torch's index_copy_ is slower
        return images

    def _operator(self, step: PhotometricStep) -> _Apply:
        if step not in self._operators:

            def apply(images: Tensor, numbers: Tensor) -> Tensor:
                return step.apply(images, numbers)

            if self.compile and step.compiles:
                # torch limits the graphs that one piece of code may have: each gets its own.
                apply.__code__ = apply.__code__.replace(co_name=f"apply_{type(step).__name__}")
                self._operators[step] = torch.compile(apply)
            else:
                self._operators[step] = apply
        return self._operators[step]

    def _constant(self, numbers: Sequence[float], device: torch.device) -> Tensor:
        """``(n, 1, 1)`` on the device, brought there once: a copy would make it wait."""
        key = (tuple(numbers), device)
        if key not in self._constants:
            self._constants[key] = torch.tensor(numbers, device=device)[:, None, None]
        return self._constants[key]
