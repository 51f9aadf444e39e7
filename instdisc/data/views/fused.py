"""Finishes views on a GPU by the kernels of `kernels`, a few launches for a batch.

Legend: B batch, H x W size of a view, n numbers of a policy, P pixels.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor

from . import kernels
from .dataset import ViewPolicy
from .jitter import JITTER_ORDERS
from .stages import Custom, Stage, plan_stages

_PIXELS = {"BLOCK": 1024, "num_warps": 4}  # per program
_BLUR_PIXELS = {"BLOCK": 512, "num_warps": 4}
_CONTRAST = 1  # among the operators of the jitter


class FusedFinisher:
    """Finishes views as `ViewPolicy.finish` does, in kernels that keep pixels in registers.

    The first call on a device brings constants there; later ones copy nothing from the host and
    never wait for the device.

    Args:
        policy: of the views.
        dtype: of the finished views; they are computed in float32.
    """

    def __init__(self, policy: ViewPolicy, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._stages, thresholds = plan_stages(policy.photometric)
        self._numbers = [*policy.mean, *policy.std, *thresholds]
        self._constants: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __call__(
        self,
        views: Tensor,
        numbers: Tensor,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """Finished views.

        Args:
            views: ``(B, 3, H, W)`` uint8.
            numbers: ``(B, n)``, of the photometric steps.
            memory_format: of what is returned.

        Returns:
            ``(B, 3, H, W)`` of the dtype, normalised.
        """
        on_gpu = views.device.type == "cuda"
        with torch.cuda.device(views.device) if on_gpu else nullcontext():
            return self._run(views, numbers.float().contiguous(), memory_format)

    def _run(self, views: Tensor, numbers: Tensor, memory_format: torch.memory_format) -> Tensor:
        images = views
        # The kernels write the types that networks train in.
        narrow = self.dtype in (torch.float32, torch.float16, torch.bfloat16)
        dtype = self.dtype if narrow else torch.float32
        for place, stage in enumerate(self._stages):
            if isinstance(stage, Custom):
                columns = numbers[:, stage.column : stage.column + stage.step.num_numbers]
                images = stage.step.apply(images, columns)
                continue
            ends = place == len(self._stages) - 1
            target = torch.empty(
                images.shape,
                dtype=dtype if ends else torch.float32,
                device=images.device,
                memory_format=memory_format if ends else torch.contiguous_format,
            )
            if target.numel():
                self._launch(stage, images, numbers, target, normalises=ends)
            images = target
        return images.to(self.dtype)

    def _launch(
        self, stage: Stage, images: Tensor, numbers: Tensor, target: Tensor, *, normalises: bool
    ) -> None:
        count, _, height, width = images.shape
        pixels = height * width
        blocks = -(-pixels // _PIXELS["BLOCK"])
        grid = (count * blocks,)
        constants, orders = self._constants_on(images.device)
        images, source_strides = _linear(images)
        _, target_strides = _linear(target)
        tables = (numbers, orders, constants, numbers.shape[1])
        sums = unblurred = target
        if stage.jitter_column >= 0:
            sums = torch.empty(count * blocks, dtype=torch.float32, device=images.device)
            kernels.sum_grey[grid](
                images,
                sums,
                *tables,
                blocks,
                pixels,
                *source_strides,
                BEFORE=stage.row.packed & ((1 << 2 * stage.jitter_place) - 1),
                COLUMN=stage.row.column,
                THRESHOLD=stage.row.threshold,
                JITTER_COLUMN=stage.jitter_column,
                **_PIXELS,
            )
        # What is between the passes over one image is as wide as what comes out. It lies where
        # the blurred image will: that is written last.
        between = torch.float16 if target.itemsize == 2 else torch.float32
        if stage.blur_column >= 0:
            unblurred = target.view(between)
        after = {
            "BLUR_COLUMN": stage.blur_column,
            "AFTER": stage.after.packed,
            "AFTER_THRESHOLD": stage.after.threshold,
            "NORMALISES": normalises,
        }
        kernels.change_colours[grid](
            images,
            target,
            unblurred,
            sums,
            *tables,
            blocks,
            pixels,
            *source_strides,
            *target_strides,
            STEPS=stage.row.packed,
            COLUMN=stage.row.column,
            THRESHOLD=stage.row.threshold,
            JITTER_COLUMN=stage.jitter_column,
            NUM_SUMS=1 << (blocks - 1).bit_length(),
            **after,
            **_PIXELS,
        )
        if stage.blur_column < 0:
            return
        half = torch.empty(images.numel(), dtype=between, device=images.device)
        blocks = -(-pixels // _BLUR_PIXELS["BLOCK"])
        grid = (count * blocks,)
        batch = (*tables, blocks, pixels, height, width)
        planes = (3 * pixels, pixels, 1)
        blur = {"RADIUS": stage.radius, **after, **_BLUR_PIXELS}
        across = {**blur, "AFTER": 0, "NORMALISES": False}
        kernels.blur[grid](unblurred, half, *batch, *planes, DOWN=False, **across)
        kernels.blur[grid](half, target, *batch, *target_strides, DOWN=True, **blur)

    def _constants_on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Means, deviations and thresholds; each order of the jitter, with contrast's place."""
        if device not in self._constants:
            orders = [[*order, order.index(_CONTRAST)] for order in JITTER_ORDERS]
            self._constants[device] = (
                torch.tensor(self._numbers, dtype=torch.float32, device=device),
                torch.tensor(orders, dtype=torch.int32, device=device),
            )
        return self._constants[device]


def _linear(images: Tensor) -> tuple[Tensor, tuple[int, int, int]]:
    """Images whose pixels follow each other at one distance, and their strides.

    Returns:
        The images, copied if need be, and the distances of images, planes and pixels.
    """
    _, _, height, width = images.shape
    image, plane, down, across = images.stride()
    if width == 1:
        across = down
    elif height > 1 and down != width * across:
        return _linear(images.contiguous())
    return images, (image, plane, across)
