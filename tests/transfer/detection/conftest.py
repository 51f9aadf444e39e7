"""Small detectors, and batches for them."""

import pytest
import torch

from instdisc.models import Backbone
from instdisc.transfer import Detector, ProposalCounts
from instdisc.types import Objects

CLASSES, SIZES = 3, (16, 32, 64)
COUNTS = ProposalCounts(150, 60, 120, 40)


@pytest.fixture
def make_objects():
    """``make_objects(3)``: as many random boxes, filled, of three classes."""

    def make(count, height=64, width=96, masks=True):
        low = torch.rand(count, 2) * torch.tensor([width / 2, height / 2])
        boxes = torch.cat(
            [low, low + torch.rand(count, 2) * torch.tensor([width, height]) / 2 + 1], 1
        )
        boxes = boxes.round()
        filled = torch.zeros(count, height, width, dtype=torch.bool)
        for mask, (left, top, right, bottom) in zip(filled, boxes.long().tolist(), strict=True):
            mask[top:bottom, left:right] = True
        no = torch.zeros(count, dtype=torch.bool)
        labels = torch.randint(CLASSES, (count,))
        return Objects(boxes, labels, filled if masks else None, no, no)

    return make


@pytest.fixture
def make_batch(make_objects):
    """``make_batch()``: two padded images, their sizes and objects."""

    def make(masks=True):
        images, sizes = torch.randn(2, 3, 64, 96), torch.tensor([[64, 96], [56, 80]])
        images[1, :, 56:] = images[1, :, :, 80:] = 0
        return (
            images,
            sizes,
            [
                make_objects(4, masks=masks),
                make_objects(3, 56, 80)._replace(masks=make_objects(3).masks if masks else None),
            ],
        )

    return make


@pytest.fixture
def make_detector():
    """``make_detector(neck="fpn")``: on the smallest ResNet, with few proposals."""

    def make(**options):
        backbone = options.pop("backbone", None) or Backbone("test_resnet", zero_init_last=False)
        settings = {"anchor_sizes": SIZES, "masks": True, "norm": "plain", "min_score": 0.0}
        settings |= {"counts": COUNTS, "regions_per_image": 32}
        return Detector(backbone, CLASSES, **(settings | options))

    return make
