"""A ResNet with a segmentation head.

Legend: B batch, C classes, H x W size of an image, D width of the last map.
"""

from __future__ import annotations

import copy
from typing import Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.segmentation.deeplabv3 import ASPP
from torchvision.models.segmentation.fcn import FCNHead

from instdisc.checks import checked_call
from instdisc.models import Backbone, split_batch_norm

from .dilation import dilate

Head = Literal["deeplab", "fcn"]


class Logits(NamedTuple):
    """What a `SegmentationNet` computes, at the size of the images.

    Attributes:
        classes: ``(B, C, H, W)``.
        auxiliary: the same of the auxiliary head, or ``None``.
    """

    classes: Tensor
    auxiliary: Tensor | None


class SegmentationNet(nn.Module):
    """A dilated copy of a backbone, a head on its last map, and by choice one on the map before.

    ``"deeplab"`` is DeepLab-v3: atrous spatial pyramid pooling with the rates 6, 12, 18 at stride
    16 (96, 192 and 288 pixels at any stride), as torchvision has it. ``"fcn"`` is MoCo's FCN: two
    3 x 3 convolutions of dilation 6 (at stride 16) with batch norm, and a linear layer; its
    backbone has dilation in all convolutions of the dilated stages.

    Args:
        backbone: a timm ResNet; it is copied.
        num_classes: C.
        head: ``"deeplab"`` or ``"fcn"``.
        output_stride: pixels per cell of the last map; a power of 2 up to the backbone's own.
        width: channels of the head.
        dropout: chance, in the head of ``"deeplab"``; ``"fcn"`` has none. ``None`` for 0.5 and 0.
        auxiliary: whether there is an auxiliary head (torchvision's FCN) on the map before.

    Raises:
        ValueError: if an argument is out of range, or the backbone cannot be dilated.

    Source:
        Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation" (2017); He et
        al., "Momentum Contrast" (2020), appendix, for ``"fcn"``.

    Example:
        >>> import torch
        >>> net = SegmentationNet(Backbone("test_resnet"), 5, width=8).eval()
        >>> net(torch.zeros(1, 3, 64, 48)).classes.shape
        torch.Size([1, 5, 64, 48])
    """

    @checked_call()
    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        head: Head = "deeplab",
        output_stride: int = 16,
        width: int = 256,
        dropout: float | None = None,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"`num_classes` must be at least 2, got {num_classes}")
        if width < 1:
            raise ValueError(f"`width` must be positive, got {width}")
        if head not in ("deeplab", "fcn"):
            raise ValueError(f"`head` must be 'deeplab' or 'fcn', got {head!r}")
        if dropout is None:
            dropout = 0.5 if head == "deeplab" else 0.0
        if not 0 <= dropout < 1 or (dropout and head == "fcn"):
            raise ValueError(
                f"`dropout` must lie in [0, 1), and be 0 for the head 'fcn', got {dropout}"
            )
        # In full precision, with every weight free, wherever and however it was used before.
        self.backbone = copy.deepcopy(backbone).cpu().requires_grad_(True)
        split_batch_norm(self.backbone, 1)  # a run under way may have split it
        dilate(self.backbone, output_stride, first_block="before" if head == "deeplab" else "own")
        dim = self.backbone.widths[-1]
        if head == "deeplab":
            self.head = deeplab_head(dim, num_classes, output_stride, width, dropout)
        else:
            self.head = fcn_head(dim, num_classes, output_stride, width)
        before = self.backbone.widths[-2]
        self.auxiliary_head = FCNHead(before, num_classes) if auxiliary else None
        self.train()

    def forward(self, images: Tensor) -> Logits:
        """Logits at the size of the images.

        Args:
            images: ``(B, 3, H, W)`` float, normalised.
        """
        maps = self.backbone.maps(images)
        size = (images.shape[2], images.shape[3])
        auxiliary = None
        if self.auxiliary_head is not None and self.training:
            auxiliary = _enlarge(self.auxiliary_head(maps[-2]), size)
        return Logits(_enlarge(self.head(maps[-1]), size), auxiliary)


def deeplab_head(
    dim: int, num_classes: int, output_stride: int, width: int = 256, dropout: float = 0.5
) -> nn.Sequential:
    """The ``DeepLabHead`` of torchvision with a width, and with rates for any output stride.

    Args:
        dim: channels of the map.
        num_classes: C.
        output_stride: pixels per cell of the map.
        width: channels within.
        dropout: chance, behind the pyramid.

    Example:
        >>> [branch[0].dilation[0] for branch in deeplab_head(8, 5, 8)[0].convs[1:4]]
        [12, 24, 36]
    """
    pyramid = ASPP(dim, aspp_rates(output_stride), width)
    for module in pyramid.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    return nn.Sequential(
        pyramid,
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, num_classes, 1),
    )


def fcn_head(dim: int, num_classes: int, output_stride: int, width: int = 256) -> nn.Sequential:
    """MoCo's head: two dilated 3 x 3 convolutions with batch norm, then a linear layer.

    Args:
        dim: channels of the map.
        num_classes: C.
        output_stride: pixels per cell of the map; the dilation is 6 at 16.
        width: channels within.
    """
    dilation = aspp_rates(output_stride)[0]
    layers: list[nn.Module] = []
    for channels in (dim, width):
        layers += [
            nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.Conv2d(width, num_classes, 1))


def aspp_rates(output_stride: int) -> tuple[int, int, int]:
    """The dilations that reach 96, 192 and 288 pixels.

    Example:
        >>> aspp_rates(16), aspp_rates(8)
        ((6, 12, 18), (12, 24, 36))
    """
    first = max(1, round(96 / output_stride))
    return first, 2 * first, 3 * first


def _enlarge(logits: Tensor, size: tuple[int, int]) -> Tensor:
    # In float32: in half precision neighbouring classes would tie.
    return F.interpolate(logits.float(), size, mode="bilinear", align_corners=False)
