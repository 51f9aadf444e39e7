"""RoIAlign by the kernels of `align_kernels`: half precision, channels_last, on a GPU.

Legend: R regions, C channels, S bins per side, h x w cells of a map.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from instdisc.gpu import available

_CELLS = {"forward": 32, "backward": 64}  # at once
_CHANNELS = 128  # of a program
_NUM_WARPS = 8


def fuses(map_: Tensor) -> bool:
    """Whether `fused_align` takes a map: in half precision, on a GPU with Triton.

    Its gradient is added up in no fixed order, so where the user wants deterministic algorithms
    torchvision's is left to refuse.

    Example:
        >>> fuses(torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16))
        False
    """
    half = map_.dtype in (torch.bfloat16, torch.float16)
    deterministic = torch.are_deterministic_algorithms_enabled()
    return half and not deterministic and available(map_.device)


def fused_align(map_: Tensor, rois: Tensor, scale: float, parts: int, every: int = 1) -> Tensor:
    """``align`` of one map, of every `every`-th bin.

    Sums are in float32, the weights of the bilinear interpolation in the dtype of the map, as are
    the result and the gradient of the map. Regions have no gradient.

    Args:
        map_: ``(B, C, h, w)``.
        rois: ``(R, 5)`` float32 rows of image index, left, top, right, bottom, in pixels.
        scale: cells per pixel.
        parts: bins per side of a region.
        every: 2 gives bins 0, 2, 4, ... along each side.

    Returns:
        ``(R, C, S, S)`` in channels_last, S = ceil(parts / every).

    Source:
        As `align`. Differs from `torchvision.ops.roi_align`, which computes in float32 what it is
        handed in half precision, reads and writes contiguous maps, and adds to the gradient
        once per sample.
    """
    aligned: Tensor = _Align.apply(map_, rois, scale, parts, every)  # type: ignore[no-untyped-call]
    return aligned


class _Align(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, map_: Tensor, rois: Tensor, scale: float, parts: int, every: int
    ) -> Tensor:
        rois = rois.detach().float().contiguous()
        ctx.save_for_backward(rois)
        ctx.arguments = map_.shape, scale, parts, every
        cells = map_.detach().permute(0, 2, 3, 1).contiguous()  # (B, h, w, C)
        side = -(-parts // every)
        bins = cells.new_empty(len(rois), side, side, map_.shape[1])
        _launch("forward", cells, rois, bins, scale, parts, every)
        return bins.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (rois,) = ctx.saved_tensors
        (count, channels, height, width), scale, parts, every = ctx.arguments
        bins = gradient.permute(0, 2, 3, 1).contiguous()
        cells = bins.new_zeros(count, height, width, channels, dtype=torch.float32)
        _launch("backward", cells, rois, bins, scale, parts, every)
        return cells.to(gradient.dtype).permute(0, 3, 1, 2), None, None, None, None


def _launch(
    way: str, cells: Tensor, rois: Tensor, bins: Tensor, scale: float, parts: int, every: int
) -> None:
    from . import align_kernels as kernels

    if not bins.numel():
        return
    side, channels = bins.shape[2:]
    block_side = max(4, 1 << (side - 1).bit_length())  # a product needs 16 rows
    grid = (len(rois), -(-channels // _CHANNELS))
    kernel = kernels.gather_bins if way == "forward" else kernels.scatter_bins
    on_gpu = cells.device.type == "cuda"
    with torch.cuda.device(cells.device) if on_gpu else nullcontext():
        kernel[grid](
            cells,
            rois,
            bins,
            cells.shape[1],
            cells.shape[2],
            channels,
            scale,
            PARTS=parts,
            EVERY=every,
            SIDE=side,
            BLOCK_SIDE=block_side,
            CELLS=_CELLS[way],
            BLOCK=_CHANNELS,
            num_warps=_NUM_WARPS,
        )
