"""The FPN detector: maps of all stages, joined from coarse to fine.

Legend: B batch, R regions, D channels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from ...models import Backbone
from .align import align
from .body import stage_maps
from .norms import Norm, new_norm
from .proposals import ProposalCounts

_WIDTH, _VECTOR_WIDTH, _BOX_CELLS, _MASK_CELLS = 256, 1024, 7, 14


class FPNNeck(nn.Module):
    """A feature pyramid; regions of it pass two linear layers, or four convolutions for masks.

    Args:
        backbone: a ResNet; it is handed in again at each call and is not a part of this module.
        norm: of the pyramid's convolutions; see `set_norm`. ``"frozen"``: none.
        masks: whether masks are wanted.

    Attributes:
        strides: pixels per cell of each map; the last map is for proposals only.
        width: channels of the maps.
        vector_width: channels of what the box predictor gets.
        mask_width: channels of what the mask predictor gets.
        anchor_sizes: of each map, for images of the papers' size.
        counts: proposals to keep.

    Source:
        Lin et al., "Feature Pyramid Networks" (2017), with the settings of detectron2's R50-FPN,
        as in ssl-transfer, and its initial weights; the norm in the new layers is that of He et
        al., "MoCo" (2020), appendix.

    Example:
        >>> import torch
        >>> backbone = Backbone("test_resnet")
        >>> neck = FPNNeck(backbone, "plain", masks=False)
        >>> [tuple(m.shape[1:]) for m in neck.maps(backbone, torch.zeros(1, 3, 64, 64))]
        [(256, 16, 16), (256, 8, 8), (256, 4, 4), (256, 2, 2), (256, 1, 1)]
    """

    anchor_sizes = ((32,), (64,), (128,), (256,), (512,))
    counts = ProposalCounts(2000, 1000, 1000, 1000)

    def __init__(self, backbone: Backbone, norm: Norm, masks: bool) -> None:
        super().__init__()
        self.strides = [*backbone.strides, 2 * backbone.strides[-1]]
        self.width = self.mask_width = _WIDTH
        self.vector_width = _VECTOR_WIDTH
        norm_layer = None if norm == "frozen" else functools.partial(new_norm, norm=norm)
        self.pyramid = FeaturePyramidNetwork(
            backbone.widths, _WIDTH, extra_blocks=LastLevelMaxPool(), norm_layer=norm_layer
        )
        self.box_head = TwoMLPHead(_WIDTH * _BOX_CELLS**2, _VECTOR_WIDTH)
        for layer in (self.box_head.fc6, self.box_head.fc7):  # torchvision's vary a third as much
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
        self.mask_head = MaskRCNNHeads(_WIDTH, (_WIDTH,) * 4, 1) if masks else None

    def maps(self, backbone: Backbone, images: Tensor) -> list[Tensor]:
        """Five maps ``(B, 256, H / s, W / s)``."""
        stages = stage_maps(backbone, images, [0, 1, 2, 3])
        pyramid: dict[str, Tensor] = self.pyramid({str(i): map_ for i, map_ in enumerate(stages)})
        return list(pyramid.values())

    def box_features(
        self, backbone: Backbone, maps: Sequence[Tensor], rois: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """What the box predictor gets: ``(R, 1024)``; masks have features of their own."""
        features: Tensor = self.box_head(align(maps[:-1], rois, self.strides[:-1], _BOX_CELLS))
        return features, None

    def mask_features(self, backbone: Backbone, maps: Sequence[Tensor], rois: Tensor) -> Tensor:
        """What the mask predictor gets: ``(R, 256, 14, 14)``."""
        assert self.mask_head is not None
        aligned = align(maps[:-1], rois, self.strides[:-1], _MASK_CELLS)
        features: Tensor = self.mask_head(aligned)
        return features
