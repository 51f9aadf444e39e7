"""Finer maps from a ResNet by dilation, without a change of its weights."""

from __future__ import annotations

from typing import Any, Literal

from timm.layers import AvgPool2dSame
from timm.models.resnet import ResNet
from torch import nn

from instdisc.checks import checked_call
from instdisc.models import Backbone


@checked_call()
def dilate(
    backbone: Backbone, output_stride: int, *, first_block: Literal["before", "own"] = "before"
) -> None:
    """Makes the last maps of a ResNet finer, in place: strides become dilations.

    Every stage that would be coarser than `output_stride` gets stride 1, and its 3 x 3
    convolutions a dilation that is larger by the stride lost, so that they look at the same
    points of the image as before (the 2 x 2 averages of ResNet-D look at nearer ones, as in
    timm). No weight changes.

    Args:
        backbone: a timm ResNet, of basic blocks or bottlenecks.
        output_stride: pixels of the image per cell of the last map; one of the backbone's strides.
        first_block: dilation of the strided convolution of a changed stage: ``"before"`` that of
            the stage before it, ``"own"`` that of its own stage.

    Raises:
        ValueError: if the backbone is no such ResNet, `output_stride` is none of its strides, or
            `first_block` is unknown.

    Source:
        Yu et al., "Dilated Residual Networks" (2017). ``"before"`` is the layout of torchvision's
        ``replace_stride_with_dilation`` and of timm's ``output_stride``; ``"own"`` is that of He
        et al., "Momentum Contrast" (2020), appendix: dilation 2 in all of conv5.

    Example:
        >>> backbone = Backbone("resnet18")
        >>> dilate(backbone, 8)
        >>> backbone.strides
        [4, 8, 8, 8]
        >>> backbone.net.layer4[0].conv1.dilation, backbone.net.layer4[0].conv2.dilation
        ((2, 2), (4, 4))
    """
    if first_block not in ("before", "own"):
        raise ValueError(f"`first_block` must be 'before' or 'own', got {first_block!r}")
    if not is_resnet(backbone):
        raise ValueError(f"`backbone` must be a timm ResNet, got {backbone.name!r}")
    if output_stride not in backbone.strides:
        raise ValueError(
            f"`output_stride` must be one of the strides of {backbone.name!r}, "
            f"{backbone.strides}, got {output_stride}"
        )
    for name, stride, before in zip(
        backbone.stages[1:], backbone.strides[1:], backbone.strides, strict=False
    ):
        if stride <= output_stride:
            continue
        after = stride // output_stride
        first = after if first_block == "own" else max(1, before // output_stride)
        stage: Any = backbone.net.get_submodule(name)
        for number, block in enumerate(stage):
            _dilate_block(block, after, first if number == 0 else after, backbone.name)
    backbone.strides = [min(stride, output_stride) for stride in backbone.strides]


def is_resnet(backbone: Backbone) -> bool:
    """Whether a backbone is a timm ResNet, whose stages are layer1 to layer4."""
    return isinstance(backbone.net, ResNet)


def _dilate_block(block: nn.Module, dilation: int, strided: int, name: str) -> None:
    """Gives the convolutions of a block a dilation; `strided` to those that had a stride."""
    for place, module in list(block.named_modules()):
        if isinstance(module, nn.Conv2d):
            rate = strided if max(module.stride) > 1 else dilation
            module.stride = (1, 1)
            if max(module.kernel_size) > 1:
                _set_dilation(module, rate, name)
        elif isinstance(module, nn.AvgPool2d) and module.stride in (2, (2, 2)):
            # The shortcut of ResNet-D: the average stays, its stride goes.
            parent, _, last = place.rpartition(".")
            setattr(block.get_submodule(parent), last, AvgPool2dSame(2, 1, count_include_pad=False))
        elif place and getattr(module, "stride", 1) not in (1, (1, 1)):
            raise ValueError(
                f"`backbone` {name!r} shrinks its maps by {type(module).__name__}, which has no "
                "dilated form. Use a plain ResNet."
            )


def _set_dilation(module: nn.Conv2d, dilation: int, name: str) -> None:
    size = module.kernel_size[0]
    if module.kernel_size != (size, size) or size % 2 == 0 or isinstance(module.padding, str):
        raise ValueError(
            f"`backbone` {name!r} has a convolution of {module.kernel_size} with padding "
            f"{module.padding!r}; dilation needs square, odd ones with numeric padding"
        )
    if module.dilation != (1, 1):
        raise ValueError(f"`backbone` {name!r} is dilated already; give it as it was pretrained")
    module.dilation = (dilation, dilation)
    module.padding = (dilation * (size // 2), dilation * (size // 2))
