"""Layers of a backbone: what is kept of them, and which are refused."""

import pytest
import torch
from torch import nn

from instdisc.analysis.similarity.layers import LayerReader, has_channels_last, pool
from instdisc.models import Backbone

IMAGES = torch.randn(2, 3, 32, 32)


def test_stages_and_named_layers_agree():
    backbone = Backbone("test_resnet").eval()
    with torch.no_grad():
        stages = LayerReader(backbone, None, lambda x: x.clone())(IMAGES)
        reader = LayerReader(backbone, ["layer4", "layer1", "global_pool"], lambda x: x.clone())
        named = reader(IMAGES)
        assert torch.equal(named[0], stages[3])
        assert torch.equal(named[1], stages[0])
        assert torch.equal(named[2], backbone(IMAGES))
    assert reader.names == ["layer4", "layer1", "global_pool"]
    assert not any(module._forward_hooks for module in backbone.modules())


def test_what_is_kept_is_seen_before_a_relu_overwrites_it():
    backbone = Backbone("resnet18").eval()
    with torch.no_grad():
        reader = LayerReader(backbone, ["bn1", "act1"], lambda x: float(x.min()))
        before, after = reader(IMAGES)
    assert backbone.net.act1.inplace
    assert before < 0 == after


def test_pool():
    maps = torch.randn(2, 5, 4, 3)
    torch.testing.assert_close(pool(maps), maps.mean((2, 3)))
    torch.testing.assert_close(
        pool(maps.permute(0, 2, 3, 1), channels_last=True), maps.mean((2, 3))
    )
    tokens = torch.randn(2, 7, 5)
    torch.testing.assert_close(pool(tokens), tokens.mean(1))
    assert pool(torch.ones(2, 5).half()).dtype == torch.float32
    with pytest.raises(ValueError, match="`layers` must be layers that give maps, tokens"):
        pool(torch.zeros(2, 1, 1, 1, 1))


def test_timm_tells_where_the_channels_are():
    assert has_channels_last(Backbone("swin_tiny_patch4_window7_224", depths=(1, 1, 1, 1)))
    assert not has_channels_last(Backbone("test_resnet"))


def test_refusals():
    backbone = Backbone("test_resnet")

    def reader(*layers):
        return LayerReader(backbone, list(layers), lambda x: x)

    with pytest.raises(ValueError, match=r"parts of 'test_resnet', got 'layer5'. Near it: 'layer"):
        reader("layer1", "layer5")
    with pytest.raises(ValueError, match="`layers` must be at least one name, each once"):
        reader("layer1", "layer1")
    with pytest.raises(TypeError, match="`layers` must be a list of names, or None, got 'layer1'"):
        LayerReader(backbone, "layer1", lambda x: x)
    backbone.net.spare = nn.Identity()
    with pytest.raises(ValueError, match="run once in a forward pass, got 'spare'. It runs 0"):
        reader("spare")(IMAGES)

    class Two(nn.Module):
        def forward(self, images):
            return images, images

    backbone.net.spare = Two()
    backbone.net.forward = lambda images: backbone.net.spare(images)
    with pytest.raises(TypeError, match="`layers` must be layers whose output is a tensor"):
        reader("spare")(IMAGES)
    assert not any(module._forward_hooks for module in backbone.modules())
