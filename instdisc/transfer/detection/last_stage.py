"""The last stage of a ResNet on regions, its 1 x 1 convolutions once per image.

Legend: R regions, D channels, 14 x 14 bins of a region.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.models.resnet import Bottleneck
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align

from .align import align
from .fused_align import fused_align, fuses

_BINS = 14


def last_stage(stage: nn.Sequential, map_: Tensor, rois: Tensor, stride: int) -> Tensor:
    """``stage(RoIAlign(map_))``, with less work where the stage allows it.

    A stage of bottlenecks begins with two 1 x 1 convolutions of the regions. Such a convolution
    without bias works on channels alone and RoIAlign on places alone, so they change places:
    ``conv(RoIAlign(map_)) = RoIAlign(conv(map_))``. The image has far fewer cells than its regions
    together, which saves a quarter of the products of a ResNet-50's last stage. Norms come
    after RoIAlign, as before, so their statistics are the same.

    Args:
        stage: ``layer4`` of a timm ResNet, of stride 2.
        map_: ``(B, C, h, w)`` output of ``layer3``.
        rois: ``(R, 5)`` rows of image index, left, top, right, bottom, in pixels.
        stride: pixels per cell of `map_`.

    Returns:
        ``(R, D, 7, 7)``.

    Example:
        >>> from instdisc.models import Backbone
        >>> net = Backbone("resnet50").eval().net
        >>> map_, rois = torch.randn(1, 1024, 4, 4), torch.tensor([[0.0, 3.0, 5.0, 50.0, 40.0]])
        >>> usual = net.layer4(align([map_], rois, [16], 14))
        >>> torch.allclose(last_stage(net.layer4, map_, rois, 16), usual, atol=1e-3)
        True
    """
    first: Any = stage[0]
    if not _is_plain(first):
        features: Tensor = stage(align([map_], rois, [stride], _BINS))
        return features
    # What timm's Bottleneck.forward does, with RoIAlign after its first convolutions.
    inner = align([first.conv1(map_)], rois, [stride], _BINS)
    inner = first.act1(first.bn1(inner))
    inner = first.bn3(first.conv3(first.act2(first.bn2(first.conv2(inner)))))
    projection, norm = first.downsample
    shortcut = norm(_every_second_bin(F.conv2d(map_, projection.weight), rois, stride))
    features = first.act3(inner + shortcut)
    for block in stage[1:]:
        features = block(features)
    return features


def _every_second_bin(map_: Tensor, rois: Tensor, stride: int) -> Tensor:
    """``align(...)[:, :, ::2, ::2]``, which a convolution of stride 2 reads: ``(R, D, 7, 7)``.

    Each of these bins is a region of one bin, so the other three quarters are not computed.
    """
    if fuses(map_):
        return fused_align(map_, rois, 1 / stride, _BINS, every=2)
    index, left, top, right, bottom = rois.unbind(dim=1)
    bins = torch.arange(0, _BINS, 2, device=rois.device)
    width, height = (right - left) / _BINS, (bottom - top) / _BINS
    # A hair narrower: rounding must not make a bin of exactly two cells one of three samples.
    hair = 1e-3
    x = (left[:, None] + width[:, None] * bins)[:, None, :].expand(-1, len(bins), -1)  # (R, 7, 7)
    y = (top[:, None] + height[:, None] * bins)[:, :, None].expand(-1, -1, len(bins))
    wide, high = (side[:, None, None] for side in (width - hair, height - hair))
    cells = torch.stack(
        [index[:, None, None].expand_as(x), x + hair, y + hair, x + wide, y + high], dim=-1
    )
    aligned = roi_align(map_, cells.flatten(0, 2), 1, 1 / stride, sampling_ratio=0, aligned=True)
    return aligned.view(len(rois), len(bins), len(bins), -1).permute(0, 3, 1, 2)


def _is_plain(block: Any) -> bool:
    """Whether it is a bottleneck of stride 2 with nothing between its convolutions and norms."""
    if not isinstance(block, Bottleneck) or block.se is not None or block.drop_path is not None:
        return False
    between = [block.drop_block, block.aa]
    shortcut = block.downsample
    return (
        all(isinstance(module, nn.Identity) for module in between)
        and isinstance(shortcut, nn.Sequential)
        and len(shortcut) == 2
        and isinstance(shortcut[0], nn.Conv2d)
        and all(
            convolution.kernel_size == (1, 1)
            and convolution.stride == (step, step)
            and convolution.groups == 1
            and convolution.bias is None
            for convolution, step in ((block.conv1, 1), (shortcut[0], 2))
        )
    )
