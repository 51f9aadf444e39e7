"""The C4 detector: the last stage of the ResNet is the head of every region.

Legend: B batch, R regions, D channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ...models import Backbone
from .body import stage_maps
from .last_stage import last_stage
from .norms import Norm, new_norm
from .proposals import ProposalCounts


class C4Neck(nn.Module):
    """Maps of conv1 to layer3; regions of them pass layer4 and one more norm.

    Boxes and masks are read from the same features, so layer4 runs once per region in training.

    Args:
        backbone: a ResNet; it is handed in again at each call and is not a part of this module.
        norm: kind of the extra norm; see `set_norm`.

    Attributes:
        strides: pixels per cell of each map.
        width: channels of the maps.
        vector_width: channels of what the box predictor gets.
        mask_width: channels of what the mask predictor gets.
        anchor_sizes: of each map, for images of the papers' size.
        counts: proposals to keep.

    Source:
        Ren et al., "Faster R-CNN" (2015), with the region head of He et al., "MoCo" (2020):
        RoIAlign 14 x 14, res5, batch norm, mean over the cells.

    Example:
        >>> import torch
        >>> backbone = Backbone("test_resnet")
        >>> neck = C4Neck(backbone, "plain")
        >>> maps = neck.maps(backbone, torch.zeros(1, 3, 64, 64))
        >>> vectors, shared = neck.box_features(backbone, maps, torch.tensor([[0.0, 0, 0, 32, 32]]))
        >>> vectors.shape, shared.shape
        (torch.Size([1, 96]), torch.Size([1, 96, 7, 7]))
    """

    anchor_sizes = ((32, 64, 128, 256, 512),)
    counts = ProposalCounts(12000, 2000, 6000, 1000)

    def __init__(self, backbone: Backbone, norm: Norm) -> None:
        super().__init__()
        self.strides = backbone.strides[2:3]
        self.width = backbone.widths[2]
        self.vector_width = self.mask_width = backbone.widths[3]
        self.norm = new_norm(self.vector_width, norm)

    def maps(self, backbone: Backbone, images: Tensor) -> list[Tensor]:
        """The map of layer3, for proposals and regions: ``(B, width, H / s, W / s)``."""
        return stage_maps(backbone, images, [2])

    def box_features(
        self, backbone: Backbone, maps: Sequence[Tensor], rois: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """What the box predictor gets: ``(R, D)``; and the features to share: ``(R, D, 7, 7)``."""
        shared = self.mask_features(backbone, maps, rois)
        return shared.mean(dim=(2, 3)), shared

    def mask_features(self, backbone: Backbone, maps: Sequence[Tensor], rois: Tensor) -> Tensor:
        """What the mask predictor gets: ``(R, D, 7, 7)``."""
        net: Any = backbone.net
        features: Tensor = self.norm(last_stage(net.layer4, maps[0], rois, self.strides[0]))
        return features
