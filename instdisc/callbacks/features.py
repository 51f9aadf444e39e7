"""Features of a set of images by a backbone that is being trained.

Legend: N images, D width, W processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from instdisc.data import ImageSource, ViewPolicy
from instdisc.distributed import broadcast, gather_uneven, world_size
from instdisc.models import Backbone
from instdisc.transfer import extract_features


def current_features(
    pl_module: LightningModule,
    images: ImageSource,
    *,
    policy: ViewPolicy,
    batch_size: int,
    num_workers: int,
) -> Tensor:
    """Features of all images by ``pl_module.backbone`` as a checkpoint would hold it now.

    Training does not notice: no weight, statistic of batch norm, mode or random number changes.
    Every process must call it; they share the images.

    Args:
        pl_module: has a `Backbone`.
        images: whose features.
        policy: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.

    Returns:
        ``(N, D)`` float32 on the CPU, in order, the same on every process.

    Raises:
        ValueError: see `extract_features`.
    """
    backbone = pl_module.backbone
    assert isinstance(backbone, Backbone)
    # Not in a validation's inference mode: what a source or a backbone keeps of it, training
    # could not use.
    with torch.inference_mode(False), torch.no_grad(), isolate_rng(include_cuda=False):
        with _as_saved(backbone), _takes_float32(backbone):
            share = extract_features(
                backbone,
                images,
                policy=policy,
                batch_size=batch_size,
                num_workers=num_workers,
                device=pl_module.device,
            ).features
        return _joined(share, len(images), pl_module.device)


def _joined(share: Tensor, count: int, device: torch.device) -> Tensor:
    """``(N, D)`` features of all processes on the CPU, in the order of the images.

    Args:
        share: ``(n, D)`` of this process: of every W-th image of W processes.
        count: N.
        device: where the processes exchange them.
    """
    if world_size() == 1:
        return share
    gathered = gather_uneven(share.to(device)).cpu()
    starts = range(world_size())
    order = torch.cat([torch.arange(first, count, world_size()) for first in starts])
    return torch.empty_like(gathered).index_copy_(0, order, gathered)


@contextmanager
def _as_saved(backbone: Backbone) -> Iterator[None]:
    """Gives every process the buffers of the first, which a checkpoint holds, for the block.

    Batch norm's running statistics are each process's own between two training steps.
    """
    buffers = list(backbone.buffers()) if world_size() > 1 else []
    before = [buffer.clone() for buffer in buffers]
    broadcast(buffers)
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)


@contextmanager
def _takes_float32(backbone: Backbone) -> Iterator[None]:
    """Lets a backbone of another precision, as in bf16-true, have images in float32."""
    dtype = next(backbone.parameters()).dtype
    if dtype == torch.float32:
        yield
        return
    hook = backbone.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(dtype),))
    try:
        yield
    finally:
        hook.remove()
