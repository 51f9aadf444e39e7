"""ResNet-12 and BSCD-FSL's ResNet-10: sizes, references, gradients, files."""

import pytest
import timm
import torch
import torchvision
from torch.nn import functional as F

from instdisc import MoCoModule
from instdisc.checkpoint import describe_checkpoint, export_backbone, load_backbone
from instdisc.models import Backbone, ResNet12
from instdisc.testing import check_method

SMALL = {"resnet12": (4, 6, 8, 10), "bscd_resnet10": (8, 8, 12, 16)}
NAMES = list(SMALL)


def count(net):
    return sum(weight.numel() for weight in net.parameters())


def conv_norm(inputs, outputs, side):
    return side**2 * inputs * outputs + 2 * outputs


def resnet12_parameters(channels):
    return sum(
        conv_norm(before, width, 3) + 2 * conv_norm(width, width, 3) + conv_norm(before, width, 1)
        for before, width in zip((3, *channels), channels, strict=False)
    )


@pytest.mark.parametrize(
    ("channels", "millions"),
    [((64, 160, 320, 640), 12_424_320), ((64, 128, 256, 512), 7_996_800)],
    ids=["wide", "narrow"],
)
def test_parameters_of_resnet12(channels, millions):
    net = timm.create_model("resnet12", num_classes=0, channels=channels)
    assert count(net) == resnet12_parameters(channels) == millions


def test_the_wide_variant_is_ours():
    assert count(Backbone("resnet12")) == 12_424_320


def test_parameters_of_bscd_resnet10():
    widths = (64, 128, 256, 512)
    blocks = sum(
        conv_norm(before, width, 3)
        + conv_norm(width, width, 3)
        + (conv_norm(before, width, 1) if before != width else 0)
        for before, width in zip((64, *widths), widths, strict=False)
    )
    assert count(Backbone("bscd_resnet10")) == conv_norm(3, 64, 7) + blocks == 4_905_792


@pytest.mark.parametrize(
    ("name", "size", "strides", "sides", "widths"),
    [
        ("resnet12", 84, [2, 4, 8, 16], [42, 21, 10, 5], [64, 160, 320, 640]),
        ("bscd_resnet10", 224, [4, 8, 16, 32], [56, 28, 14, 7], [64, 128, 256, 512]),
    ],
)
def test_shapes_at_the_published_size(name, size, strides, sides, widths):
    backbone = Backbone(name).eval()
    assert backbone.net.pretrained_cfg["input_size"] == (3, size, size)
    assert backbone.net.pretrained_cfg["mean"] == (0.485, 0.456, 0.406)
    assert backbone.net.pretrained_cfg["std"] == (0.229, 0.224, 0.225)
    images = torch.randn(1, 3, size, size)
    with torch.no_grad():
        maps, features = backbone.maps(images), backbone(images)
    assert features.shape == (1, backbone.dim) == (1, widths[-1])
    assert [tuple(stage.shape[1:]) for stage in maps] == [
        (width, side, side) for width, side in zip(widths, sides, strict=True)
    ]
    assert (backbone.strides, backbone.widths) == (strides, widths)
    assert backbone.stages == ["layer1", "layer2", "layer3", "layer4"]
    torch.testing.assert_close(maps[-1].mean((2, 3)), features)


def plain_resnet12(state, x):
    """The features, layer by layer as the paper's figure has them."""

    def conv(name, norm, x, padding):
        x = F.conv2d(x, state[f"{name}.weight"], padding=padding)
        return F.batch_norm(
            x,
            state[f"{norm}.running_mean"],
            state[f"{norm}.running_var"],
            state[f"{norm}.weight"],
            state[f"{norm}.bias"],
        )

    for stage in range(1, 5):
        block = f"layer{stage}.0"
        branch = x
        for number in (1, 2, 3):
            branch = conv(f"{block}.conv{number}", f"{block}.bn{number}", branch, 1)
            if number < 3:
                branch = torch.where(branch > 0, branch, branch * 0.1)
        x = branch + conv(f"{block}.downsample.0", f"{block}.downsample.1", x, 0)
        x = torch.where(x > 0, x, x * 0.1)
        even = x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
        x = even.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5))
    return x.mean((2, 3))


def test_resnet12_is_the_plain_one():
    backbone = Backbone("resnet12", channels=SMALL["resnet12"])
    images = torch.randn(4, 3, 42, 50)
    backbone(images)  # running statistics of their own
    with torch.no_grad():
        expected = plain_resnet12(backbone.net.state_dict(), images)
        torch.testing.assert_close(backbone.eval()(images), expected)


def test_bscd_resnet10_is_a_resnet18_with_one_block_per_stage():
    reference = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])
    reference.fc = torch.nn.Identity()
    backbone = Backbone("bscd_resnet10")
    reference.load_state_dict(backbone.net.state_dict(), strict=True)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone.eval()(images), reference.eval()(images))


@pytest.mark.parametrize("name", NAMES)
def test_initial_weights_are_the_published(name):
    """He's, by the outgoing connections; every norm at 1, also the last of a branch."""
    torch.manual_seed(0)
    net = Backbone(name).net
    convs = [module for module in net.modules() if isinstance(module, torch.nn.Conv2d)]
    for conv in convs:
        expected = (2 / (conv.kernel_size[0] ** 2 * conv.out_channels)) ** 0.5
        assert float(conv.weight.detach().std()) == pytest.approx(expected, rel=0.1)
        assert conv.bias is None
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(bool((norm.weight == 1).all() and (norm.bias == 0).all()) for norm in norms)
    assert len(convs) == len(norms) == {"resnet12": 16, "bscd_resnet10": 12}[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_gets_a_gradient(name):
    backbone = Backbone(name, channels=SMALL[name])
    backbone(torch.randn(4, 3, 32, 32)).square().sum().backward()
    still = [key for key, p in backbone.named_parameters() if not p.grad.abs().sum() > 0]
    assert still == []


@pytest.mark.parametrize("name", NAMES)
def test_a_method_trains(name):
    backbone = Backbone(name, channels=SMALL[name])
    module = MoCoModule(backbone, queue_size=40, batch_norm_groups=2)
    check_method(module, two_processes=False)


@pytest.mark.parametrize("name", NAMES)
def test_export_and_load(name, tmp_path):
    backbone = Backbone(name, channels=list(SMALL[name])).eval()
    path = export_backbone(backbone, tmp_path / "net.safetensors")
    assert describe_checkpoint(path).backbone == backbone.spec
    again = load_backbone(path).eval()
    images = torch.randn(2, 3, 32, 32)
    assert again.spec == backbone.spec
    assert torch.equal(again(images), backbone(images))


@pytest.mark.parametrize("name", NAMES)
def test_export_for_timm(name, tmp_path):
    backbone = Backbone(name).eval()
    path = export_backbone(backbone, tmp_path / "net.pth", format="timm")
    net = timm.create_model(name, num_classes=0).eval()
    net.load_state_dict(torch.load(path), strict=True)
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(net(images), backbone(images))
    # The file does not tell which network it is, and it must not pass for another.
    with pytest.raises(ValueError, match="name"):
        load_backbone(path)
    assert torch.equal(load_backbone(path, name).eval()(images), backbone(images))
    with pytest.raises(ValueError, match="`format`='torchvision' is for resnet18"):
        export_backbone(backbone, tmp_path / "other.pth", format="torchvision")


def test_published_names_are_read(tmp_path):
    """A classifier beside the network is left aside, as with any timm file."""
    net = timm.create_model("resnet12", num_classes=64)
    torch.save(net.state_dict(), tmp_path / "published.pth")
    backbone = load_backbone(tmp_path / "published.pth", "resnet12")
    assert torch.equal(backbone.net.layer4[0].conv3.weight, net.layer4[0].conv3.weight)
    assert "layer1.0.downsample.0.weight" in net.state_dict()  # MetaOptNet's name for it


def test_timms_face():
    net = timm.create_model("resnet12", features_only=True, channels=SMALL["resnet12"])
    assert net.feature_info.channels() == [4, 6, 8, 10]
    assert net.feature_info.reduction() == [2, 4, 8, 16]
    assert [tuple(stage.shape[1:]) for stage in net(torch.zeros(1, 3, 32, 32))] == [
        (4, 16, 16), (6, 8, 8), (8, 4, 4), (10, 2, 2),
    ]  # fmt: skip
    net = ResNet12(7, 1, channels=SMALL["resnet12"], drop_rate=0.5).eval()
    images = torch.randn(2, 1, 32, 32)
    assert net(images).shape == (2, 7)
    last, maps = net.forward_intermediates(images, indices=2)
    assert [stage.shape[1] for stage in maps] == [8, 10]
    assert torch.equal(last, net.forward_features(images))
    (only,) = net.forward_intermediates(
        images, indices=[1], stop_early=True, intermediates_only=True
    )
    assert only.shape == (2, 6, 8, 8)
    assert net.forward_head(last, pre_logits=True).shape == (2, 10)
    net.reset_classifier(3)
    assert net(images).shape == (2, 3)
    assert net.get_classifier().out_features == 3
    net.reset_classifier(0, "")
    assert net(images).shape == (2, 10, 2, 2)


def test_drop_block_is_of_training_alone_and_off_by_default():
    images = torch.randn(2, 3, 84, 84)
    net = ResNet12(0, channels=SMALL["resnet12"])
    assert torch.equal(net(images), net(images))
    net = ResNet12(0, channels=SMALL["resnet12"], drop_block_rate=0.3)
    assert not torch.equal(net(images), net(images))
    assert net(images).isfinite().all()
    assert ResNet12(0, channels=SMALL["resnet12"], drop_block_rate=1.0)(images).abs().sum() == 0
    net.eval()
    assert torch.equal(net(images), net(images))
    assert net.state_dict().keys() == ResNet12(0, channels=SMALL["resnet12"]).state_dict().keys()


@pytest.mark.parametrize(
    ("side", "share"), [(5, 0.1), (3, 0.1), (10, 0.1 - 0.014), (40, 0.1 - 0.006)]
)
def test_drop_block_drops_its_share_in_squares(side, share):
    """Blocks that overlap drop a bit less than the rate; one that fills the map, just the rate."""
    torch.manual_seed(0)
    drop = ResNet12(0, channels=SMALL["resnet12"], drop_block_rate=0.1).layer4[0].drop
    maps = torch.ones(64, 50, side, side)
    kept = drop(maps) > 0
    assert float((~kept).float().mean()) == pytest.approx(share, abs=0.015)
    assert float(drop(maps).mean()) == pytest.approx(1, abs=1e-4)
    # Every dropped cell lies in a square of 5 x 5 (or of the whole map) that is dropped.
    k = min(5, side)
    squares = kept.logical_not().float().unfold(2, k, 1).unfold(3, k, 1).amin((4, 5))
    again = F.max_pool2d(F.pad(squares, [k - 1] * 4), k, stride=1)
    assert torch.equal(again > 0, ~kept)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"channels": (8, 8, 8)}, ValueError, "`channels` must be a width for each of 4 stages"),
        (
            {"channels": (8, 8, 0, 8)},
            ValueError,
            "`channels.*` must be a whole number of at least 1",
        ),
        ({"channels": (8, 8, 8.5, 8)}, TypeError, "`channels` must be a sequence of whole numbers"),
        ({"drop_rate": 1.5}, ValueError, "`drop_rate` must be .* at most 1, got 1.5"),
        ({"drop_block_rate": float("nan")}, ValueError, "`drop_block_rate` must be a finite"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        Backbone("resnet12", **options)


def test_another_format_of_maps_is_refused():
    with pytest.raises(ValueError, match="`output_fmt` must be 'NCHW', got 'NHWC'"):
        ResNet12(0, channels=SMALL["resnet12"]).forward_intermediates(
            torch.zeros(1, 3, 32, 32), output_fmt="NHWC"
        )


def test_names_clash_with_none_of_timms():
    """Also not with a name that timm may have given since: registering it twice would warn."""
    for name in NAMES:
        assert timm.models.model_entrypoint(name).__module__ == "instdisc.models.few_shot"
