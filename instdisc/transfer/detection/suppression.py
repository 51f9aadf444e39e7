"""Suppression of overlapping boxes, on a GPU for all images at once and without waiting.

Legend: B images, M boxes of an image, K boxes wanted.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F

_WARPS = 8


def suppress(boxes: Tensor, usable: Tensor, threshold: float, most: int) -> tuple[Tensor, Tensor]:
    """The boxes of each image that no better one overlaps, by kernels.

    Args:
        boxes: ``(B, M, 4)`` float32, best first.
        usable: ``(B, M)`` bool; the others neither stay nor take another away.
        threshold: IoU above which the worse of two boxes goes.
        most: K.

    Returns:
        ``(B, K)`` int64 rows, best first, and ``(B,)`` int64 how many of them count; the rest are
        0.

    Source:
        Equals `torchvision.ops.nms`. Differs from it: all images at once, which stop at K boxes,
        and the host waits for nothing.
    """
    from . import suppression_kernels as kernels

    images, count, _ = boxes.shape
    words = -(-count // 64)
    rows = boxes.new_zeros(images, most, dtype=torch.int64)
    counts = rows.new_zeros(images)
    if not count:
        return rows, counts
    boxes = boxes.float().contiguous()
    padded = F.pad(usable, (0, 64 * words - count)).unflatten(1, (words, 64))
    bits = (padded.long() << torch.arange(64, device=boxes.device)).sum(2)  # (B, W)
    overlaps = boxes.new_empty(images, count, words, dtype=torch.int64)
    on_gpu = boxes.device.type == "cuda"
    with torch.cuda.device(boxes.device) if on_gpu else nullcontext():
        kernels.mark_overlaps[(words, words, images)](boxes, overlaps, count, words, threshold)
        kernels.keep_best[(images,)](
            overlaps,
            bits,
            rows,
            counts,
            count,
            words,
            most,
            WORDS=max(16, 1 << (words - 1).bit_length()),
            num_warps=_WARPS,
        )
    return rows, counts
