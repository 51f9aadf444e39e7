"""What a detector takes from a backbone: the maps of a ResNet's stages.

Legend: B batch, C channels, H x W image size, s stride of a stage.
"""

from __future__ import annotations

from typing import Any

from timm.models.resnet import ResNet
from torch import Tensor, nn

from ...models import Backbone
from .norms import set_norm

STAGES = ("layer1", "layer2", "layer3", "layer4")
_STEM = ("conv1", "bn1")


def check_backbone(backbone: Backbone) -> None:
    """Raises if a detector cannot be built on `backbone`.

    Raises:
        TypeError: if it is no `Backbone`.
        ValueError: if it is not a timm ResNet of four stages.
    """
    if not isinstance(backbone, Backbone):
        raise TypeError(
            f"`backbone` must be a Backbone, got {type(backbone).__name__}. "
            "Build one by Backbone('resnet50'), or load one from a checkpoint."
        )
    if not isinstance(backbone.net, ResNet) or tuple(backbone.stages) != STAGES:
        raise ValueError(
            f"`backbone` must be a ResNet of the stages {', '.join(STAGES)}, got "
            f"{backbone.name!r}. Use e.g. Backbone('resnet50') or Backbone('resnet18')."
        )


def stage_maps(backbone: Backbone, images: Tensor, stages: list[int]) -> list[Tensor]:
    """The outputs of some stages; the stages after the last of them are not computed.

    Args:
        backbone: a ResNet.
        images: ``(B, 3, H, W)`` float.
        stages: positions in ``backbone.stages``, ascending.

    Returns:
        Tensors ``(B, C, H / s, W / s)``, equal to those of ``backbone.maps(images)``.

    Example:
        >>> import torch
        >>> (third,) = stage_maps(Backbone("test_resnet"), torch.zeros(1, 3, 64, 96), [2])
        >>> third.shape
        torch.Size([1, 192, 4, 6])
    """
    net: Any = backbone.net
    maps: list[Tensor] = net.forward_intermediates(
        images,
        indices=[stage + 1 for stage in stages],  # timm counts the stem as 0
        stop_early=True,
        intermediates_only=True,
    )
    return maps


def freeze(backbone: Backbone, parts: int) -> None:
    """Fixes the first parts of a ResNet in place: their weights and their batch norms.

    Args:
        backbone: a ResNet.
        parts: 0 nothing, 1 the stem, 2 the stem and ``layer1``, ..., 5 everything (detectron2's
            ``FREEZE_AT``).

    Raises:
        ValueError: if `parts` is not from 0 to 5.

    Example:
        >>> backbone = Backbone("test_resnet")
        >>> freeze(backbone, 2)
        >>> trained = [name for name, p in backbone.net.named_parameters() if p.requires_grad]
        >>> sorted({name.split(".")[0] for name in trained})
        ['layer2', 'layer3', 'layer4']
    """
    if parts not in range(6):
        raise ValueError(
            f"`freeze_parts` must be from 0 (nothing) to 5 (stem and four stages), got {parts}"
        )
    net: Any = backbone.net
    names = [*_STEM, *STAGES][: parts + 1] if parts else []
    for name in names:
        part: nn.Module = set_norm(getattr(net, name), "frozen")
        setattr(net, name, part.requires_grad_(False))
