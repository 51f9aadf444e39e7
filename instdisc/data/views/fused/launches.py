"""Launches the kernels of one stage.

Legend: B images, H x W size of a view, n numbers of a policy, P pixels of a view.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..stages import Stage
from ..strides import linear
from . import kernels, small_kernel

# Per program.
_PIXELS = {"BLOCK": 1024, "num_warps": 4}
_BLUR_PIXELS = {"BLOCK": 512, "num_warps": 4}
_MOST_PIXELS = 4096  # of an image that one program holds
_PIXELS_PER_WARP = 256

Tables = tuple[Tensor, Tensor, Tensor]


def launch(
    stage: Stage, images: Tensor, target: Tensor, tables: Tables, *, normalises: bool
) -> None:
    """Fills the target with what the stage makes of the images.

    Args:
        stage: of a policy.
        images: ``(B, 3, H, W)``, uint8, or float in [0, 1]; not empty.
        target: ``(B, 3, H, W)``, float32, float16 or bfloat16, dense.
        tables: numbers ``(B, n)``, constants ``(6 + thresholds,)``, both float32, and the orders of
            the jitter, ``(O, 5)`` int32.
        normalises: whether with the means and deviations among the constants.
    """
    images, strides = linear(images)
    _, target_strides = linear(target)
    row = {
        "STEPS": stage.row.packed,
        "COLUMN": stage.row.column,
        "THRESHOLD": stage.row.threshold,
        "JITTER_COLUMN": stage.jitter_column,
    }
    before = {"BEFORE": stage.row.packed & ((1 << 2 * stage.jitter_place) - 1)}
    after = {
        "BLUR_COLUMN": stage.blur_column,
        "AFTER": stage.after.packed,
        "AFTER_COLUMN": stage.after.column,
        "AFTER_THRESHOLD": stage.after.threshold,
        "NORMALISES": normalises,
    }
    count, _, height, width = images.shape
    batch = (*tables, tables[0].shape[1])
    if height * width <= _MOST_PIXELS:
        block = 1 << (height * width - 1).bit_length()
        small_kernel.finish_small[(count,)](
            images,
            target,
            *batch,
            height,
            width,
            *strides,
            *target_strides,
            RADIUS=stage.radius,
            BLOCK=block,
            num_warps=max(1, block // _PIXELS_PER_WARP),
            **row,
            **before,
            **after,
        )
        return
    blocks, grid = _share(images, _PIXELS)
    pixels = height * width
    sums = unblurred = target
    if stage.jitter_column >= 0:
        sums = torch.empty(count * blocks, dtype=torch.float32, device=images.device)
        steps = {name: value for name, value in row.items() if name != "STEPS"}
        kernels.sum_grey[grid](
            images, sums, *batch, blocks, pixels, *strides, **steps, **before, **_PIXELS
        )
    # What is between the passes over an image is as wide as what comes out. It lies where the
    # blurred image will, which is written last.
    between = torch.float16 if target.itemsize == 2 else torch.float32
    if stage.blur_column >= 0:
        unblurred = target.view(between)
    kernels.change_colours[grid](
        images,
        target,
        unblurred,
        sums,
        *batch,
        blocks,
        pixels,
        *strides,
        *target_strides,
        NUM_SUMS=1 << (blocks - 1).bit_length(),
        **row,
        **after,
        **_PIXELS,
    )
    if stage.blur_column < 0:
        return
    half = torch.empty(images.numel(), dtype=between, device=images.device)
    blocks, grid = _share(images, _BLUR_PIXELS)
    shape = (blocks, pixels, height, width)
    planes = (3 * pixels, pixels, 1)
    down = {"RADIUS": stage.radius, **after, **_BLUR_PIXELS}
    across = {**down, "AFTER": 0, "NORMALISES": False}
    kernels.blur[grid](unblurred, half, *batch, *shape, *planes, DOWN=False, **across)
    kernels.blur[grid](half, target, *batch, *shape, *target_strides, DOWN=True, **down)


def _share(images: Tensor, pixels: dict[str, int]) -> tuple[int, tuple[int]]:
    """How many programs share an image, and how many there are."""
    count, _, height, width = images.shape
    blocks = -(-height * width // pixels["BLOCK"])
    return blocks, (count * blocks,)
