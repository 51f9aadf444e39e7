"""Features of a set of images, computed once.

Legend: N images, D width, S stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc.checks import whole
from instdisc.data import (
    ImageSource,
    ViewDataset,
    ViewLoader,
    ViewPolicy,
    describe_view,
    evaluation_policy,
    image_names,
)
from instdisc.models import Backbone
from instdisc.types import About

from .frozen import frozen


class Features(NamedTuple):
    """Features with labels.

    Attributes:
        features: ``(N, D)`` float32 on the CPU.
        labels: ``(N,)`` int64; ``-1`` where unknown.
        names: what each image is called, for predictions; empty if unknown.
        about: of which backbone, of which set, seen how.
    """

    features: Tensor
    labels: Tensor
    names: Sequence[str] = ()
    about: About = About()

    def rows(self, positions: Tensor) -> Features:
        """Those at some positions, ``(M,)`` int64, in that order."""
        names = [self.names[row] for row in positions.tolist()] if len(self.names) else ()
        return Features(self.features[positions], self.labels[positions], names, self.about)

    @classmethod
    def join(cls, parts: Sequence[Features]) -> Features:
        """The features of several parts, one part after the other; they are about the first."""
        return cls(
            torch.cat([part.features for part in parts]),
            torch.cat([part.labels for part in parts]),
            [name for part in parts for name in part.names],
            parts[0].about,
        )


def extract_features(
    backbone: Backbone,
    images: ImageSource,
    *,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    policy: ViewPolicy | None = None,
) -> Features:
    """Pooled features of the centre of every image, in order, by the frozen backbone.

    Args:
        backbone: used in eval mode on `device`; its mode and device are restored.
        images: whose features.
        image_size: side of the view in pixels; ``None``: at which the backbone was trained. See
            `evaluation_policy`, like normalisation and interpolation, which are the backbone's.
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
        >>> table = extract_features(Backbone("resnet18"), Scenes(4, image_size=32), image_size=32)
        >>> table.features.shape, table.about.dataset
        (torch.Size([4, 512]), 'scenes')
    """
    features, labels, rows = [], [], []
    policy = policy or evaluation_policy(image_size, seen=backbone.input)
    with frozen(backbone, device):
        for batch in _loader(images, policy, batch_size, num_workers):
            features.append(backbone(batch.images[0].to(device)).float().cpu())
            labels.append(batch.labels)
            rows.append(batch.indices)
    return Features(
        _checked(torch.cat(features), images),
        torch.cat(labels),
        _names(images, rows),
        _about(backbone, images, policy),
    )


def extract_stages(
    backbone: Backbone,
    images: ImageSource,
    *,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    policy: ViewPolicy | None = None,
) -> list[Features]:
    """The averaged map of every stage for the centre of every image, in one pass.

    Args:
        backbone: used in eval mode on `device`; its mode and device are restored.
        images: whose features.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        policy: how the view is made, in place of `evaluation_policy`.

    Returns:
        S features ``(N, widths[s])``, shallow to deep.

    Raises:
        ValueError: if a feature is not finite: the weights are broken.
        RuntimeError: if the forward pass changed the backbone.

    Example:
        >>> from instdisc.data import Scenes
        >>> found = extract_stages(Backbone("resnet18"), Scenes(2, image_size=32), image_size=32)
        >>> [stage.features.shape[1] for stage in found]
        [64, 128, 256, 512]
    """
    pooled: list[list[Tensor]] = [[] for _ in backbone.strides]
    labels, rows = [], []
    policy = policy or evaluation_policy(image_size, seen=backbone.input)
    with frozen(backbone, device):
        for batch in _loader(images, policy, batch_size, num_workers):
            maps = backbone.maps(batch.images[0].to(device))
            for stage_rows, stage in zip(pooled, maps, strict=True):
                stage_rows.append(stage.float().mean((2, 3)).cpu())
            labels.append(batch.labels)
            rows.append(batch.indices)
    about, names = _about(backbone, images, policy), _names(images, rows)
    classes = torch.cat(labels)
    return [Features(_checked(torch.cat(stage), images), classes, names, about) for stage in pooled]


def _loader(
    images: ImageSource, policy: ViewPolicy, batch_size: int, num_workers: int
) -> ViewLoader:
    """One view of each image, in order."""
    whole("batch_size", batch_size)
    views = ViewDataset(images, [policy])
    return ViewLoader(views, batch_size, shuffle=False, drop_last=False, num_workers=num_workers)


def _about(backbone: Backbone, images: ImageSource, policy: ViewPolicy) -> About:
    return backbone.about()._replace(dataset=images.name, view=describe_view(policy))


def _names(images: ImageSource, rows: Sequence[Tensor]) -> list[str]:
    names = image_names(images)
    return [names[row] for row in torch.cat(list(rows)).tolist()]


def _checked(features: Tensor, images: ImageSource) -> Tensor:
    if not bool(features.isfinite().all()):
        bad = int((~features.isfinite()).any(1).nonzero()[0])
        raise ValueError(
            f"the features of image {bad} of {images.name!r} are not finite: the backbone's "
            "weights are broken. Load another checkpoint."
        )
    return features
