"""Backbones of few-shot learning, registered as timm models when this is imported."""

from __future__ import annotations

from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

from .resnet12 import ResNet12

_IMAGENET = {
    "mean": IMAGENET_DEFAULT_MEAN,
    "std": IMAGENET_DEFAULT_STD,
    "interpolation": "bilinear",
    "classifier": "fc",
}
# timm looks for this name when the two functions below are registered.
default_cfgs = generate_default_cfgs(
    {
        "resnet12": {
            **_IMAGENET,
            "input_size": (3, 84, 84),
            "pool_size": (5, 5),
            "crop_pct": 0.875,
            "first_conv": "layer1.0.conv1",
        },
        "bscd_resnet10": {
            **_IMAGENET,
            "input_size": (3, 224, 224),
            "pool_size": (7, 7),
            "crop_pct": 224 / 257,
            "first_conv": "conv1",
        },
    }
)


@register_model
def resnet12(pretrained: bool = False, **options: Any) -> nn.Module:
    """ResNet-12 for images of 84 px; see `ResNet12`.

    Args:
        pretrained: there are no published weights under this name: True is timm's error.
        options: of `ResNet12`, and timm's own, such as ``features_only``.

    Example:
        >>> import timm
        >>> timm.create_model("resnet12", num_classes=0).num_features
        640
    """
    net: nn.Module = build_model_with_cfg(
        ResNet12, "resnet12", pretrained, feature_cfg={"out_indices": (0, 1, 2, 3)}, **options
    )
    return net


@register_model
def bscd_resnet10(pretrained: bool = False, **options: Any) -> nn.Module:
    """BSCD-FSL's ResNet-10: timm's `ResNet` with one basic block per stage; 224 px, 512 wide.

    Args:
        pretrained: there are no published weights under this name: True is timm's error.
        options: of timm's ResNet. ``zero_init_last`` is False by default, as published.

    Source:
        Guo et al., "A Broader Study of Cross-Domain Few-Shot Learning" (2020), their
        `backbone.py`: 7 x 7 stem of stride 2, 3 x 3 max-pool, widths 64 to 512, no bias.

    Differs from it:
        The last map is averaged whatever its size; they average 7 x 7 cells.

    Example:
        >>> import timm
        >>> net = timm.create_model("bscd_resnet10", num_classes=0)
        >>> sum(weight.numel() for weight in net.parameters())
        4905792
    """
    settings = {"block": BasicBlock, "layers": (1, 1, 1, 1), "zero_init_last": False, **options}
    net: nn.Module = build_model_with_cfg(ResNet, "bscd_resnet10", pretrained, **settings)
    return net
