"""Dilation, heads and the whole network against torchvision and timm."""

import copy

import pytest
import timm
import torch
from torch import nn
from torchvision.models import resnet50
from torchvision.models.segmentation import deeplabv3_resnet50
from torchvision.models.segmentation.deeplabv3 import DeepLabHead

from instdisc.models import Backbone
from instdisc.transfer import SegmentationNet, dilate
from instdisc.transfer.segmentation.network import deeplab_head, fcn_head


@pytest.fixture(scope="module")
def fifty():
    torch.manual_seed(0)
    return Backbone("resnet50", zero_init_last=False).eval()


def unchanged(before, after):
    return before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)


def test_dilated_resnet50_is_torchvisions(fifty):
    stride = 16  # 8 is below, under the head
    backbone = copy.deepcopy(fifty)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    dilate(backbone, stride)
    assert unchanged(before, backbone.state_dict())
    assert backbone.strides == [4, 8, min(16, stride), stride]
    theirs = resnet50(replace_stride_with_dilation=[False, False, True]).eval()
    weights = {name.removeprefix("net."): tensor for name, tensor in before.items()}
    missing, unexpected = theirs.load_state_dict(weights, strict=False)
    assert (missing, unexpected) == (["fc.weight", "fc.bias"], [])
    images = torch.randn(1, 3, 64, 48)
    expected = nn.Sequential(*list(theirs.children())[:-2])(images)
    found = backbone.maps(images)
    assert found[-1].shape == (1, 2048, 64 // stride, 48 // stride)
    assert torch.allclose(found[-1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "stride"),
    [("resnet18", 16), ("resnet26d", 8), ("test_resnet", 8), ("test_resnet", 16)],
)
def test_dilation_is_timms(name, stride):
    # Without residual branches that begin as zero, behind which nothing of this would show.
    backbone = Backbone(name, zero_init_last=False).eval()
    theirs = timm.create_model(name, num_classes=0, output_stride=stride).eval()
    theirs.load_state_dict(backbone.net.state_dict())
    dilate(backbone, stride)
    images = torch.randn(1, 3, 64, 64)
    found = backbone.maps(images)[-1]
    assert torch.allclose(found, theirs.forward_features(images), rtol=1e-4, atol=1e-4)
    assert found.shape[2] == 64 // stride
    again = copy.deepcopy(backbone)
    dilate(again, stride)  # nothing is left to do
    assert torch.equal(again.maps(images)[-1], found)


def test_dilation_looks_at_the_same_points():
    # Every 32 / 8 = 4th cell of the finer map is a cell of the coarse map.
    coarse = Backbone("resnet18", zero_init_last=False).eval()
    fine = copy.deepcopy(coarse)
    dilate(fine, 8, first_block="before")
    assert fine.strides == [4, 8, 8, 8]
    images = torch.randn(1, 3, 128, 128)
    expected, found = coarse.maps(images)[-1], fine.maps(images)[-1][..., ::4, ::4]
    assert expected.std() > 0.1
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_mocos_layout_dilates_all_of_conv5():
    backbone = Backbone("resnet18")
    dilate(backbone, 16, first_block="own")
    rates = [m.dilation[0] for m in backbone.net.layer4.modules() if isinstance(m, nn.Conv2d)]
    assert rates == [2, 2, 1, 2, 2]  # the third is the shortcut
    assert all(
        m.dilation == (1, 1) for m in backbone.net.layer3.modules() if isinstance(m, nn.Conv2d)
    )


@pytest.mark.parametrize(
    ("name", "options", "stride", "message"),
    [
        ("test_vit", {}, 16, "must be a timm ResNet, got 'test_vit'"),
        ("resnet18", {}, 12, r"must be one of the strides of 'resnet18', \[4, 8, 16, 32\], got 12"),
        ("resnetblur18", {}, 8, "shrinks its maps by BlurPool2d, which has no dilated form"),
        ("resnet18", {"output_stride": 16}, 8, "is dilated already"),
    ],
)
def test_bad_backbones(name, options, stride, message):
    with pytest.raises(ValueError, match=message):
        dilate(Backbone(name, **options), stride)


def test_deeplab_is_torchvisions(fifty):
    theirs = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=7, aux_loss=True)
    ours = SegmentationNet(fifty, 7, output_stride=8, auxiliary=True)
    weights = {name.removeprefix("net."): t for name, t in fifty.state_dict().items()}
    theirs.backbone.load_state_dict(weights)
    theirs.classifier.load_state_dict(ours.head.state_dict())
    theirs.aux_classifier.load_state_dict(ours.auxiliary_head.state_dict())
    images = torch.randn(1, 3, 48, 32)
    for net in (ours, theirs):
        net.eval()
    expected = theirs(images)
    found = ours(images)
    assert torch.allclose(found.classes, expected["out"], rtol=1e-3, atol=1e-4)
    assert found.auxiliary is None  # only for training
    auxiliary = ours.auxiliary_head(ours.backbone.maps(images)[-2])
    enlarged = nn.functional.interpolate(auxiliary, (48, 32), mode="bilinear")
    assert torch.allclose(enlarged, expected["aux"], rtol=1e-3, atol=1e-4)


def test_head_options():
    assert deeplab_head(8, 3, 16).state_dict().keys() == DeepLabHead(8, 3).state_dict().keys()
    head = deeplab_head(8, 3, 16, width=4, dropout=0.1)
    assert [one[0].dilation[0] for one in head[0].convs[1:4]] == [6, 12, 18]
    assert [m.p for m in head.modules() if isinstance(m, nn.Dropout)] == [0.1]
    assert head[1].out_channels == 4
    fcn = fcn_head(8, 3, 16)
    assert [m.dilation[0] for m in fcn if isinstance(m, nn.Conv2d)] == [6, 6, 1]
    net = SegmentationNet(Backbone("test_resnet"), 3, head="fcn", width=8)
    assert not any(isinstance(m, nn.Dropout) for m in net.head)
    assert net(torch.randn(2, 3, 32, 40)).classes.shape == (2, 3, 32, 40)


def test_backbone_is_copied():
    backbone = Backbone("test_resnet").eval().requires_grad_(False)
    net = SegmentationNet(backbone, 3, width=8, auxiliary=True)
    assert backbone.strides[-1] == 32
    assert backbone.net.layer4[0].conv1.stride == (2, 2)
    assert not backbone.training
    assert net.training
    assert all(weight.requires_grad for weight in net.parameters())
    assert unchanged(backbone.state_dict(), net.backbone.state_dict())
    assert net(torch.randn(2, 3, 64, 64)).auxiliary.shape == (2, 3, 64, 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "`num_classes` must be at least 2, got 1"),
        ({"width": 0}, "`width` must be a whole number of at least 1"),
        ({"head": "unet"}, "`head` must be one of 'deeplab', 'fcn', got 'unet'"),
        ({"dropout": 1.0}, r"`dropout` must lie in \[0, 1\)"),
        ({"head": "fcn", "dropout": 0.1}, "be 0 for the head 'fcn', got 0.1"),
    ],
)
def test_bad_networks(options, message):
    with pytest.raises(ValueError, match=message):
        SegmentationNet(Backbone("test_resnet"), **{"num_classes": 3, **options})
    with pytest.raises(ValueError, match="`first_block` must be one of 'before', 'own'"):
        dilate(Backbone("test_resnet"), 16, first_block="after")
