"""MoCo v3's ViT: fixed positions, a frozen projection, and the paper's initialisation."""

import math
import re

import pytest
import torch
from timm.layers import build_sincos2d_pos_embed

from instdisc.models import Backbone, MomentumEncoder, freeze_patch_projection
from instdisc.models.patch_projection import sine_cosine_positions


def test_positions_by_their_formula():
    positions = sine_cosine_positions((3, 5), 16)
    assert positions.shape == (15, 16)
    for row in range(3):
        for column in range(5):
            for k in range(4):
                wave = 10000 ** (-k / 4)
                expected = [f(i * wave) for i in (row, column) for f in (math.sin, math.cos)]
                entry = positions[row * 5 + column, k::4]
                torch.testing.assert_close(entry, torch.tensor(expected))


def test_positions_are_timms_in_another_order():
    theirs = build_sincos2d_pos_embed([3, 5], dim=16)  # sines of row and column, then cosines
    blocks = theirs.unflatten(1, (2, 2, 4)).transpose(1, 2).flatten(1)
    torch.testing.assert_close(sine_cosine_positions((3, 5), 16), blocks)


@pytest.mark.parametrize("options", [{}, {"reg_tokens": 2}, {"no_embed_class": True}])
def test_the_papers_initialisation(options):
    net = freeze_patch_projection(Backbone("test_vit", img_size=(32, 64), **options)).net
    dim = net.embed_dim
    positions = sine_cosine_positions((2, 4), dim)
    prefix = net.pos_embed.shape[1] - 8
    assert prefix == (0 if "no_embed_class" in options else 1 + options.get("reg_tokens", 0))
    assert torch.equal(net.pos_embed[0, prefix:], positions)
    assert not net.pos_embed[0, :prefix].any()
    assert 0 < net.cls_token.abs().max() < 1e-5
    attention, mlp = net.blocks[0].attn, net.blocks[0].mlp
    for weight, width_in, width_out in [
        (net.patch_embed.proj.weight, 3 * 16 * 16, dim),
        (attention.qkv.weight, dim, dim),  # each of the three apart
        (attention.proj.weight, dim, dim),
        (mlp.fc1.weight, dim, mlp.fc1.out_features),
    ]:
        bound = math.sqrt(6 / (width_in + width_out))
        assert 0.99 * bound < weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    for bias in (net.patch_embed.proj.bias, attention.qkv.bias, mlp.fc2.bias):
        assert not bias.any()


def test_what_is_frozen_stays_and_the_rest_learns():
    backbone = freeze_patch_projection(Backbone("test_vit", img_size=32))
    slow = MomentumEncoder(backbone, 0.5)
    frozen = {name: w.clone() for name, w in backbone.named_parameters() if not w.requires_grad}
    assert sorted(frozen) == [
        "net.patch_embed.proj.bias",
        "net.patch_embed.proj.weight",
        "net.pos_embed",
    ]
    optimizer = torch.optim.AdamW(backbone.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        backbone(torch.randn(2, 3, 32, 32)).square().sum().backward()
        optimizer.step()
        slow.update(backbone)
    for name, weight in backbone.named_parameters():
        assert (weight.grad is None) == (name in frozen), name
    for network in (backbone, slow.module):
        weights = dict(network.named_parameters())
        assert all(torch.equal(weights[name], weight) for name, weight in frozen.items())
    assert not torch.equal(backbone.net.cls_token, slow.module.net.cls_token)
    twin = Backbone("test_vit", img_size=32)
    twin.load_state_dict(backbone.state_dict(), strict=True)


def test_weights_of_a_file_are_frozen_as_they_are():
    backbone = Backbone("test_vit", img_size=32)
    before = {name: weight.clone() for name, weight in backbone.state_dict().items()}
    assert freeze_patch_projection(backbone, initialize=False) is backbone
    assert all(torch.equal(backbone.state_dict()[name], before[name]) for name in before)
    assert not backbone.net.patch_embed.proj.weight.requires_grad


def test_bad_input():
    rule = "`backbone` must be of a timm VisionTransformer with an absolute position embedding"
    for backbone in (Backbone("test_resnet"), Backbone("test_vit", pos_embed="none")):
        before = [weight.clone() for weight in backbone.parameters()]
        message = f"{rule}, got '{backbone.name}'. Use one such as Backbone('vit_small"
        with pytest.raises(TypeError, match=re.escape(message)):
            freeze_patch_projection(backbone)
        assert all(map(torch.equal, before, backbone.parameters()))
    with pytest.raises(TypeError, match="`backbone` must be a Backbone, got 'test_vit'"):
        freeze_patch_projection("test_vit")
    with pytest.raises(ValueError, match="`dim` must be divisible by 4, got 6"):
        sine_cosine_positions((2, 2), 6)
