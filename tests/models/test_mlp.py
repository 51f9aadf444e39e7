"""Heads: those of the papers, layer by layer, and lightly's by value."""

import copy

import pytest
import torch
from lightly.models.modules import heads
from torch import nn

from instdisc.models import MLP, split_batch_norm


def describe(net):
    """Its layers, e.g. "4 8+b BN ReLU 2 BN-": widths, biases, and norms without beta or affine."""
    words = [str(net.layers[0].in_features)]
    for layer in net.layers:
        if isinstance(layer, nn.Linear):
            words.append(f"{layer.out_features}{'' if layer.bias is None else '+b'}")
        elif isinstance(layer, nn.BatchNorm1d):
            assert layer.num_features == int(words[-1].split("+")[0])
            assert (layer.momentum, layer.eps) == (0.1, 1e-5)
            scales, shifts = layer.weight is not None, layer.bias is not None
            words.append({(True, True): "BN", (True, False): "BN-beta", (False, False): "BN-na"}[
                scales, shifts
            ])  # fmt: skip
        else:
            words.append(type(layer).__name__)
    return " ".join(words)


HEADS = {
    "SimCLR": (MLP(64, (64, 128), last_norm="scale"), "64 64 BN ReLU 128 BN-beta"),
    "BYOL": (MLP(64, (96, 32), bias=True, last_bias=False), "64 96+b BN ReLU 32"),
    "SimSiam": (
        MLP(64, (64, 64, 64), last_norm="plain"),
        "64 64 BN ReLU 64 BN ReLU 64 BN-na",
    ),
    "SimSiam's predictor": (MLP(64, (16, 64)), "64 16 BN ReLU 64+b"),
    "MoCo v3": (MLP(64, (96, 32), last_norm="plain"), "64 96 BN ReLU 32 BN-na"),
    "MoCo v3's predictor": (MLP(32, (96, 32), last_bias=False), "32 96 BN ReLU 32"),
    "MoCo v3 with a ViT": (
        MLP(64, (96, 96, 32), last_norm="plain"),
        "64 96 BN ReLU 96 BN ReLU 32 BN-na",
    ),
    "MoCo v3's predictor with a ViT": (
        MLP(32, (96, 32), last_norm="plain"),
        "32 96 BN ReLU 32 BN-na",
    ),
    "Barlow Twins": (
        MLP(64, (96, 96, 96), last_bias=False),
        "64 96 BN ReLU 96 BN ReLU 96",
    ),
    "VICReg": (
        MLP(64, (96, 96, 96), bias=True, last_bias=False),
        "64 96+b BN ReLU 96+b BN ReLU 96",
    ),
    "DINO": (
        MLP(64, (96, 96, 32), batch_norm=False, activation="gelu"),
        "64 96+b GELU 96+b GELU 32+b",
    ),
    "NNCLR": (
        MLP(64, (96, 96, 32), last_norm="affine"),
        "64 96 BN ReLU 96 BN ReLU 32 BN",
    ),
    "NNCLR's predictor": (MLP(32, (96, 32)), "32 96 BN ReLU 32+b"),
    "SupContrast": (MLP(64, (64, 32), batch_norm=False), "64 64+b ReLU 32+b"),
    "hard negatives": (MLP(64, (16, 32)), "64 16 BN ReLU 32+b"),
}


@pytest.mark.parametrize("name", HEADS)
def test_the_heads_of_the_papers(name):
    head, layers = HEADS[name]
    assert describe(head) == layers
    output = head(torch.randn(4, head.dim))
    assert output.shape == (4, head.widths[-1])
    output.square().sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (MLP(16, (12, 8), last_norm="affine"), heads.SimCLRProjectionHead(16, 12, 8)),
        (MLP(16, (12, 12, 8), last_norm="plain"), heads.SimSiamProjectionHead(16, 12, 8)),
        (MLP(16, (12, 16)), heads.SimSiamPredictionHead(16, 12, 16)),
        (MLP(16, (12, 8), batch_norm=False), heads.MoCoProjectionHead(16, 12, 8)),
    ],
    ids=["SimCLR", "SimSiam", "predictor", "MoCo"],
)
def test_equals_lightlys_head(ours, theirs):
    theirs.load_state_dict(ours.state_dict(), strict=True)
    features = torch.randn(6, 16)
    torch.testing.assert_close(ours(features), theirs(features))


def test_a_norm_with_weight_alone_equals_one_of_bias_0():
    head = MLP(4, (6,), last_norm="scale")
    norm = nn.BatchNorm1d(6)
    with torch.no_grad():
        head.layers[1].weight.copy_(norm.weight.normal_())
    features = torch.randn(8, 4)
    torch.testing.assert_close(head(features), norm(head.layers[0](features)))
    split_batch_norm(head, 2)(features).sum().backward()
    MLP(4, (6,), last_norm="scale").load_state_dict(copy.deepcopy(head).state_dict(), strict=True)
    assert "layers.1.bias" not in head.state_dict()


def test_bad_input():
    for values, message in [
        ({"widths": ()}, "`widths` must be a list of at least one"),
        ({"widths": (8, 0)}, r"`widths\[1\]` must be a whole number of at least 1, got 0"),
        ({"dim": 0}, "`dim` must be a whole number of at least 1, got 0"),
        ({"last_norm": "layer"}, "`last_norm` must be one of 'none', 'affine', 'scale', 'plain'"),
        ({"activation": "tanh"}, "`activation` must be one of 'relu', 'gelu', got 'tanh'"),
    ]:
        with pytest.raises(ValueError, match=message):
            MLP(**{"dim": 4, "widths": (8, 2), **values})
    with pytest.raises(ValueError, match=r"`features` must be a tensor \(B, 4\), got \(2, 3\)"):
        MLP(4, (2,))(torch.ones(2, 3))
