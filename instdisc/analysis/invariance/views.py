"""The whole of each image, and its features by stage.

Legend: N images, B batch, S stages, C channels, G grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import (
    ImageSource,
    ViewDataset,
    ViewPolicy,
    evaluation_policy,
)
from instdisc.models import Backbone
from instdisc.transfer.features.frozen import frozen

from ..showing import view_batches


@checked_call()
def whole_view(backbone: Backbone, image_size: int | None = None) -> ViewPolicy:
    """All of an image on a square, as the backbone was trained to see images.

    The usual view for tests (`evaluation_policy`) cuts off the border, and with it where an object
    is. Here both sides become `image_size`, whatever the image's proportions.

    Args:
        backbone: whose normalisation, interpolation and size.
        image_size: side of the view in pixels; ``None``: at which the backbone was trained.

    Example:
        >>> whole_view(Backbone("test_resnet"), 224).frame.resize
        224
    """
    size = backbone.input.size if image_size is None else image_size
    return evaluation_policy(size, resize=size, keep_aspect=False, seen=backbone.input)


def pooled_maps(maps: Sequence[Tensor], grid: int = 1) -> list[Tensor]:
    """Stage maps averaged over the cells of a grid.

    Args:
        maps: S tensors ``(B, C, H, W)``.
        grid: G cells along each side; 1 averages over the image and so forgets where things are.

    Returns:
        S tensors ``(B, C * G * G)`` float32.
    """
    return [functional.adaptive_avg_pool2d(stage.float(), grid).flatten(1) for stage in maps]


def pooled_stages(
    backbone: Backbone,
    images: ImageSource,
    policy: ViewPolicy,
    *,
    grid: int = 1,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
) -> tuple[list[Tensor], Tensor]:
    """The features of every stage by the frozen backbone, in one pass.

    Args:
        backbone: see `extract_stages`.
        images: whose features.
        policy: how the view is made.
        grid: see `pooled_maps`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.

    Returns:
        S tensors ``(N, C * grid * grid)`` float32 on the CPU, shallow to deep, and ``(N,)`` int64
        positions of the images: another than its place where an unreadable image was replaced.

    Raises:
        ValueError: if a feature is not finite: the weights are broken.
        RuntimeError: if the forward pass changed the backbone.
    """
    checks.whole("grid", grid)
    batches: list[list[Tensor]] = []
    positions = []
    views = ViewDataset(images, [policy])
    with frozen(backbone, device):
        for batch in view_batches(views, batch_size, num_workers, device):
            maps = backbone.maps(batch.images[0])
            batches.append([stage.cpu() for stage in pooled_maps(maps, grid)])
            positions.append(batch.indices)
    stages = [torch.cat(stage) for stage in zip(*batches, strict=True)]
    for number, stage in enumerate(stages, start=1):
        checks.all_finite(
            f"features of stage {number}",
            stage,
            row="image",
            remedy="The backbone's weights are broken; load another checkpoint.",
        )
    return stages, torch.cat(positions)
