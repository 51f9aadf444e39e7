"""The initial weights of all that a detector adds to its backbone are detectron2's.

Legend of the table: `normal` N(0, value); `uniform` U(-sqrt(3 / n), sqrt(3 / n)) with n inputs
(detectron2's c2_xavier_fill); `msra` N(0, sqrt(2 / m)) with m outputs times the kernel's cells
(c2_msra_fill). Every bias is 0, every norm begins as the identity.
"""

import pytest
import torch
from torch import nn

from instdisc.models import Backbone
from instdisc.transfer import Detector

# FastRCNNConvFCHead, FastRCNNOutputLayers, StandardRPNHead, FPN, MaskRCNNConvUpsampleHead.
FPN = {
    "neck.pyramid.inner_blocks.1.0": "uniform",
    "neck.pyramid.layer_blocks.2.0": "uniform",
    "neck.box_head.fc6": "uniform",
    "neck.box_head.fc7": "uniform",
    "neck.mask_head.0.0": "msra",
    "neck.mask_head.3.0": "msra",
}
BOTH = {
    "rpn.head.conv.0.0": 0.01,
    "rpn.head.cls_logits": 0.01,
    "rpn.head.bbox_pred": 0.01,
    "heads.classes": 0.01,
    "heads.boxes": 0.001,
    "heads.masks.conv5_mask": "msra",
    "heads.masks.mask_fcn_logits": 0.001,
}


def built(neck, norm="plain"):
    torch.manual_seed(0)
    return Detector(Backbone("test_resnet"), 40, neck=neck, norm=norm, masks=True)


def check(layer, kind):
    weight = layer.weight.detach()
    if kind == "uniform":
        fan_in = weight[0].numel()
        bound = (3 / fan_in) ** 0.5
        assert weight.abs().max() <= bound
        expected = fan_in**-0.5
    elif kind == "msra":
        expected = (2 / (weight.shape[0] * weight[0, 0].numel())) ** 0.5
    else:
        expected = kind
    assert weight.std().item() == pytest.approx(expected, rel=0.1)
    assert abs(weight.mean().item()) < 0.1 * expected
    if layer.bias is not None:
        assert not layer.bias.any()


@pytest.mark.parametrize("name", FPN | BOTH)
def test_pyramid(name):
    check(built("fpn").get_submodule(name), (FPN | BOTH)[name])


@pytest.mark.parametrize("name", BOTH)
def test_c4(name):
    check(built("c4").get_submodule(name), BOTH[name])


@pytest.mark.parametrize("neck", ["c4", "fpn"])
@pytest.mark.parametrize("norm", ["plain", "frozen"])
def test_nothing_else_is_added(neck, norm):
    detector = built(neck, norm)
    for name, module in detector.named_modules():
        if name.startswith("backbone") or not isinstance(module, nn.Module):
            continue
        for key, parameter in module.named_parameters(recurse=False):
            if key == "bias":
                assert not parameter.any(), name
            elif parameter.ndim == 1:
                assert (parameter == 1).all(), name
