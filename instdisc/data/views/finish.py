"""The device's part of the views, fast on the CPU and on a GPU.

Legend: B batch, V views, S size of a view, n numbers of a policy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from instdisc import checks, gpu
from instdisc.heap import keep_freed_blocks
from instdisc.types import Views

from .cpu import PieceFinisher
from .dataset import RawViews, ViewPolicy
from .fused.finisher import FusedFinisher
from .native.building import NotCompiledError
from .native.finisher import NativeFinisher
from .photometric import PhotometricStep
from .step_results import check_images

_SMALL = 4_000_000  # values of the views of a batch
_Apply = Callable[[Tensor, Tensor], Tensor]
_NOT_COMPILED = "views are finished without compiled loops, which takes several times as long: "


class ViewFinisher:
    """Computes the colours of raw batches as their policies say; draws nothing.

    It gives what `ViewPolicy.finish` gives for each view. On the CPU it works in pieces and
    passes over views that a step leaves as they are, or image by image in compiled loops; on a
    GPU it never waits for the device, and where Triton is at hand a few kernels do it all.

    Args:
        policies: those of the data set that makes the batches, one per view.
        dtype: of the views; they are computed in float32.
        compile: ``True``: on the CPU, finish views by loops that the C compiler of the machine
            makes, in a second and once for all runs: an eighth of the time or less. Steps of your
            own, and all steps on a device without Triton, are compiled by `torch.compile` if they
            gain by it, some seconds for each when it first comes. Nothing is left to compile where
            Triton's kernels finish them. ``None``: those loops alone, and where there is no
            compiler the plain way without a word. ``False``: the plain way, whose results do not
            depend on whether there is a compiler; they differ in the last digits of float32.

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
        compile: bool | None = False,
    ) -> None:
        checks.arguments(ViewFinisher.__init__, locals())
        if not policies:
            checks.refuse("policies", "a policy for each view", policies)
        if not dtype.is_floating_point:
            checks.refuse("dtype", "a floating-point type", dtype)
        self.policies = tuple(policies)
        self.dtype = dtype
        self.compile = compile
        self._begin()

    def _begin(self) -> None:
        """What is made when it is needed, for this process and what its machine has."""
        self._operators: dict[int, _Apply] = {}  # by the id of a step, which a policy keeps
        self._fused: dict[ViewPolicy, FusedFinisher] = {}
        self._on_cpu: dict[ViewPolicy, PieceFinisher | NativeFinisher] = {}
        self._constants: dict[object, Tensor] = {}
        keep_freed_blocks()

    def __getstate__(self) -> dict[str, Any]:
        made = ("_operators", "_fused", "_on_cpu", "_constants")
        return {name: value for name, value in vars(self).items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def __call__(
        self, raw: RawViews, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Views:
        """A batch of views on the device where the raw ones lie, in a memory format."""
        images: list[Tensor] = []
        for first, stop in self._runs(raw.views):
            views, numbers = raw.views[first], raw.numbers[first]
            if stop - first > 1:  # side by side: half the calls, which small views wait for
                views = torch.cat(raw.views[first:stop])
                numbers = torch.cat(raw.numbers[first:stop])
            finished = self._finish(self.policies[first], views, numbers, memory_format)
            images += finished.chunk(stop - first)
        return Views(images, raw.labels, raw.indices)

    def _runs(self, views: Sequence[Tensor]) -> Iterator[tuple[int, int]]:
        """First and end of neighbours that are finished together: small ones of one policy."""
        first = 0
        for stop in range(1, len(views) + 1):
            small = views[first].device.type == "cpu" and views[first].numel() <= _SMALL
            last = stop == len(views) or self.policies[stop] is not self.policies[first]
            if last or not small:
                yield first, stop
                first = stop

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
        if views.device.type == "cpu":
            if policy not in self._on_cpu:
                self._on_cpu[policy] = self._finisher(policy)
            return self._on_cpu[policy](views, numbers, memory_format)
        return self._finish_at_once(policy, views, numbers, memory_format)

    def _finisher(self, policy: ViewPolicy) -> PieceFinisher | NativeFinisher:
        if self.compile is not False:
            try:
                return NativeFinisher(policy, self.dtype, self._operator)
            except NotCompiledError as error:
                if self.compile:
                    warnings.warn(f"{_NOT_COMPILED}{error}", stacklevel=4)
        return PieceFinisher(policy, self.dtype)

    def _finish_at_once(
        self,
        policy: ViewPolicy,
        views: Tensor,
        numbers: Tensor,
        memory_format: torch.memory_format,
    ) -> Tensor:
        """On a device without Triton; a look at the numbers would make the host wait for it."""
        mean = self._constant(policy.mean, views.device)
        std = self._constant(policy.std, views.device)
        images = views.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
        for step, drawn in policy.split(numbers):
            images = check_images(step, self._operator(step)(images, drawn), images)
        return images.sub(mean).div_(std).to(self.dtype, memory_format=memory_format)

    def _operator(self, step: PhotometricStep) -> _Apply:
        if not (self.compile and step.compiles):
            return step.apply
        if id(step) not in self._operators:

            def apply(images: Tensor, numbers: Tensor) -> Tensor:
                return step.apply(images, numbers)

            # torch limits the graphs that one piece of code may have: each gets its own.
            apply.__code__ = apply.__code__.replace(co_name=f"apply_{type(step).__name__}")
            self._operators[id(step)] = torch.compile(apply)
        return self._operators[id(step)]

    def _constant(self, numbers: Sequence[float], device: torch.device) -> Tensor:
        """``(n, 1, 1)`` on the device, brought there once: a copy would make it wait."""
        key = (tuple(numbers), device)
        if key not in self._constants:
            self._constants[key] = torch.tensor(numbers, device=device)[:, None, None]
        return self._constants[key]
