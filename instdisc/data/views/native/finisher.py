"""Finishes views on the CPU by the loops of `colours.c`, image by image.

Legend: B batch, H x W size of a view, n numbers of a policy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..dataset import ViewPolicy
from ..rows import put, take
from ..stages import Custom, plan_stages
from ..step import PhotometricStep, changed_views
from ..step_results import check_images
from .library import TYPES, Loops

Apply = Callable[[Tensor, Tensor], Tensor]


class NativeFinisher:
    """Finishes the views of a policy as `ViewPolicy.finish` does, an image at a time in the cache.

    Args:
        policy: of the views.
        dtype: of the finished views; they are computed in float32.
        operator: gives what applies a step of a class of one's own.
    """

    def __init__(
        self,
        policy: ViewPolicy,
        dtype: torch.dtype,
        operator: Callable[[PhotometricStep], Apply],
    ) -> None:
        self.dtype = dtype
        self._operator = operator
        self._stages, thresholds = plan_stages(policy.photometric)
        self._loops = Loops([*policy.mean, *policy.std, *thresholds])

    def __call__(
        self,
        views: Tensor,
        numbers: Tensor,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """``(B, 3, H, W)`` finished from uint8 views and their numbers ``(B, n)``."""
        numbers = numbers.float().contiguous()
        images = views
        for place, stage in enumerate(self._stages):
            if isinstance(stage, Custom):
                images = self._apply(stage, images, numbers)
                continue
            ends = place == len(self._stages) - 1
            target = torch.empty(
                images.shape,
                dtype=self.dtype if ends and self.dtype in TYPES else torch.float32,
                memory_format=memory_format if ends else torch.contiguous_format,
            )
            self._loops.run(stage, images, target, numbers, normalises=ends)
            images = target
        return images.to(self.dtype)

    def _apply(self, stage: Custom, images: Tensor, numbers: Tensor) -> Tensor:
        """To those views that the step changes. What it returns may be its own, and is copied."""
        drawn = numbers[:, stage.column : stage.column + stage.step.num_numbers]
        apply = self._operator(stage.step)
        changed = np.flatnonzero(changed_views(stage.step, drawn))
        if len(changed) == len(images):
            result = check_images(stage.step, apply(images, drawn), images)
            return result.clone(memory_format=torch.contiguous_format)
        if len(changed):
            part = take(images, changed)
            result = check_images(stage.step, apply(part, take(drawn, changed)), part)
            put(images, changed, result)
        return images
