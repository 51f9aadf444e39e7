"""Rows of the benchmark: detectors on a ResNet-50's C4 body, beside torchvision's."""

import argparse
import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from instdisc.models import Backbone
from instdisc.transfer import Detector
from instdisc.types import Objects

Contenders = dict[str, Callable[[], Any]]
_CLASSES, _SIZES, _RATIOS = 20, (32, 64, 128, 256, 512), (0.5, 1.0, 2.0)


class Res5(nn.Module):
    """The region head of torchvision's detector: layer4 and the extra norm."""

    def __init__(self, layer4: nn.Module, norm: nn.Module, pooled: bool) -> None:
        super().__init__()
        self.layer4, self.norm, self.pooled = layer4, norm, pooled

    def forward(self, regions: Tensor) -> Tensor:
        """Vectors for boxes, or cells for masks."""
        features = self.norm(self.layer4(regions))
        return features.mean(dim=(2, 3)) if self.pooled else features


class Batch:
    """Noise, with as many objects as regions may be foreground.

    Args:
        options: of the benchmark.
        masks: whether the objects have masks.
    """

    def __init__(self, options: argparse.Namespace, masks: bool) -> None:
        generator = torch.Generator().manual_seed(0)
        count, height, width = options.detection_images, *options.detection_size
        self.images = torch.randn(count, 3, height, width, generator=generator)
        self.images = self.images.to(options.device)
        self.sizes = torch.tensor([[height, width]] * count, device=options.device)
        self.objects = []
        for _ in range(count):
            number = options.regions // 4  # so that a quarter of the regions is foreground
            low = torch.rand(number, 2, generator=generator) * torch.tensor([width, height]) * 0.6
            size = torch.rand(number, 2, generator=generator) * torch.tensor([width, height]) * 0.4
            boxes = torch.cat([low, low + size.clamp(min=16)], dim=1)
            corners = boxes.long()
            filled = torch.zeros(number, height, width, dtype=torch.bool)
            for mask, (left, top, right, bottom) in zip(filled, corners.tolist(), strict=True):
                mask[top:bottom, left:right] = True
            no = torch.zeros(number, dtype=torch.bool)
            labels = torch.randint(_CLASSES, (number,), generator=generator)
            objects = Objects(boxes, labels, filled if masks else None, no, no)
            self.objects.append(
                Objects(*(None if part is None else part.to(options.device) for part in objects))
            )


def train(options: argparse.Namespace, masks: bool) -> Contenders:
    """Forward and backward pass of one training batch."""
    batch = Batch(options, masks)
    backbone = Backbone(options.detection_network)
    theirs = peer(backbone, options, masks).to(options.device).train()
    ours = own(backbone, options, masks).to(options.device).train()
    targets = [
        {"boxes": o.boxes, "labels": o.labels + 1} | ({"masks": o.masks} if masks else {})
        for o in batch.objects
    ]
    bf16 = options.device == "cuda"

    def step(net: nn.Module, *arguments: object) -> None:
        net.zero_grad()
        with torch.autocast(options.device, dtype=torch.bfloat16, enabled=bf16):
            losses = net(*arguments)
        sum(losses.values()).backward()

    return {
        "torchvision": lambda: step(theirs, list(batch.images), targets),
        "ours": lambda: step(ours, batch.images, batch.sizes, batch.objects),
    }


def test(options: argparse.Namespace, masks: bool) -> Contenders:
    """Detections of one batch; every score counts, so both find 100 per image."""
    batch = Batch(options, masks)
    backbone = Backbone(options.detection_network)
    theirs = peer(backbone, options, masks).to(options.device).eval()
    ours = own(backbone, options, masks).to(options.device).eval()
    bf16 = options.device == "cuda"
    # The masks stay cells, as ours do: the ways of pasting are not compared.
    theirs.transform.postprocess = lambda result, *sizes: result

    def call(net: nn.Module, *arguments: object) -> Any:
        with torch.no_grad(), torch.autocast(options.device, dtype=torch.bfloat16, enabled=bf16):
            return net(*arguments)

    return {
        "torchvision": lambda: call(theirs, list(batch.images)),
        "ours": lambda: call(ours, batch.images, batch.sizes),
    }


def own(backbone: Backbone, options: argparse.Namespace, masks: bool) -> Detector:
    """Our detector, in the memory format that `DetectionModule` takes on the device."""
    before, after = options.proposals
    detector = Detector(
        backbone,
        _CLASSES,
        masks=masks,
        norm="plain",
        counts=(before, after, before, after),
        regions_per_image=options.regions,
        min_score=0.0,
    )
    on_gpu = torch.device(options.device).type == "cuda"
    layout: Any = torch.channels_last if on_gpu else torch.contiguous_format
    return detector.to(memory_format=layout)


def peer(backbone: Backbone, options: argparse.Namespace, masks: bool) -> nn.Module:
    """The detector of torchvision on the same body with the same settings."""
    net: Any = copy.deepcopy(backbone.net)
    before, after = options.proposals
    height, width = options.detection_size
    width_in, width_out = backbone.widths[2], backbone.widths[3]
    body = nn.Sequential(
        net.conv1, net.bn1, net.act1, net.maxpool, net.layer1, net.layer2, net.layer3
    )
    body.out_channels = width_in
    norm = nn.BatchNorm2d(width_out)
    settings: dict[str, Any] = {
        "backbone": body,
        "num_classes": None,
        "min_size": min(height, width),
        "max_size": max(height, width),
        "image_mean": [0, 0, 0],
        "image_std": [1, 1, 1],
        "rpn_anchor_generator": AnchorGenerator((_SIZES,), (_RATIOS,)),
        "rpn_pre_nms_top_n_train": before,
        "rpn_pre_nms_top_n_test": before,
        "rpn_post_nms_top_n_train": after,
        "rpn_post_nms_top_n_test": after,
        "box_roi_pool": MultiScaleRoIAlign(["0"], 14, 0),
        "box_head": Res5(net.layer4, norm, pooled=True),
        "box_predictor": FastRCNNPredictor(width_out, _CLASSES + 1),
        "box_batch_size_per_image": options.regions,
        "box_score_thresh": 0.0,
    }
    if not masks:
        return FasterRCNN(**settings)
    return MaskRCNN(
        **settings,
        mask_roi_pool=MultiScaleRoIAlign(["0"], 14, 0),
        mask_head=Res5(net.layer4, norm, pooled=False),
        mask_predictor=MaskRCNNPredictor(width_out, 256, _CLASSES + 1),
    )
