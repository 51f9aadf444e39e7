"""Features of a set of images, computed once.

Legend: N images, D width, S stages.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instdisc.data import ImageSource, ViewDataset, ViewLoader, ViewPolicy, evaluation_policy
from instdisc.models import Backbone

from .frozen import frozen


class Features(NamedTuple):
    """Features with labels.

    Attributes:
        features: ``(N, D)`` float32 on the CPU.
        labels: ``(N,)`` int64; ``-1`` where unknown.
    """

    features: Tensor
    labels: Tensor


def extract_features(
    backbone: Backbone,
    images: ImageSource,
    *,
    image_size: int = 224,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    policy: ViewPolicy | None = None,
) -> Features:
    """Pooled features of the centre of every image, in order, by the frozen backbone.

    Args:
        backbone: used in eval mode on `device`; its mode and device are restored.
        images: whose features.
        image_size: side of the view in pixels; see `evaluation_policy`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        policy: how the view is made, in place of `evaluation_policy`; `image_size` is then not
            used.

    Raises:
        ValueError: if a feature is not finite: the weights are broken.
        RuntimeError: if the forward pass changed the backbone.

    Example:
        >>> from instdisc.data import Scenes
        >>> found = extract_features(Backbone("resnet18"), Scenes(4, image_size=32), image_size=32)
        >>> found.features.shape
        torch.Size([4, 512])
    """
    features, labels = [], []
    loader = _loader(images, policy or evaluation_policy(image_size), batch_size, num_workers)
    with frozen(backbone, device):
        for batch in loader:
            features.append(backbone(batch.images[0].to(device)).float().cpu())
            labels.append(batch.labels)
    found = Features(torch.cat(features), torch.cat(labels))
    if not torch.isfinite(found.features).all():
        bad = int((~torch.isfinite(found.features)).any(1).nonzero()[0])
        raise ValueError(
            f"the features of image {bad} of {images.name!r} are not finite: the backbone's "
            "weights are broken. Load another checkpoint."
        )
    return found


def extract_stages(
    backbone: Backbone,
    images: ImageSource,
    *,
    image_size: int = 224,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    policy: ViewPolicy | None = None,
) -> list[Features]:
    """The averaged map of every stage for the centre of every image, in one pass.

    Args:
        backbone: used in eval mode on `device`; its mode and device are restored.
        images: whose features.
        image_size: side of the view in pixels; see `evaluation_policy`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        policy: how the view is made, in place of `evaluation_policy`.

    Returns:
        S features ``(N, widths[s])``, shallow to deep.

    Raises:
        RuntimeError: if the forward pass changed the backbone.

    Example:
        >>> from instdisc.data import Scenes
        >>> found = extract_stages(Backbone("resnet18"), Scenes(2, image_size=32), image_size=32)
        >>> [stage.features.shape[1] for stage in found]
        [64, 128, 256, 512]
    """
    pooled: list[list[Tensor]] = [[] for _ in backbone.strides]
    labels = []
    loader = _loader(images, policy or evaluation_policy(image_size), batch_size, num_workers)
    with frozen(backbone, device):
        for batch in loader:
            maps = backbone.maps(batch.images[0].to(device))
            for rows, stage in zip(pooled, maps, strict=True):
                rows.append(stage.float().mean((2, 3)).cpu())
            labels.append(batch.labels)
    return [Features(torch.cat(rows), torch.cat(labels)) for rows in pooled]


def _loader(
    images: ImageSource, policy: ViewPolicy, batch_size: int, num_workers: int
) -> ViewLoader:
    """One view of each image, in order."""
    views = ViewDataset(images, [policy])
    return ViewLoader(views, batch_size, shuffle=False, drop_last=False, num_workers=num_workers)
