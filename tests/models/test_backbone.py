"""The backbone contract, over several families of timm models."""

import pytest
import torch

from instdisc.models import Backbone

MODELS = [
    ("resnet18", {}, 64),
    ("resnet50", {}, 64),
    ("resnet10t", {}, 64),
    ("vit_tiny_patch16_224", {"img_size": 64}, 64),
    ("test_vit", {"img_size": 64}, 64),
    ("test_convnext", {}, 64),
    ("test_efficientnet", {}, 64),
    ("mobilenetv3_small_050", {}, 64),
]


@pytest.mark.parametrize(("name", "options", "size"), MODELS)
def test_features_and_maps_are_as_announced(name, options, size):
    backbone = Backbone(name, **options).eval()
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        assert backbone(images).shape == (2, backbone.dim)
        maps = backbone.maps(images)
    assert len(maps) == len(backbone.strides) == len(backbone.widths)
    for stage, stride, width in zip(maps, backbone.strides, backbone.widths, strict=True):
        assert stage.shape == (2, width, size // stride, size // stride)
    assert backbone.strides == sorted(backbone.strides)


@pytest.mark.parametrize(
    ("name", "stem", "strides"),
    [
        ("resnet18", "imagenet", [4, 8, 16, 32]),
        ("resnet18", "no_pool", [2, 4, 8, 16]),
        ("resnet18", "cifar", [1, 2, 4, 8]),
        ("resnet10t", "no_pool", [2, 4, 8, 16]),
    ],
)
def test_stems(name, stem, strides):
    backbone = Backbone(name, stem=stem).eval()
    with torch.no_grad():
        maps = backbone.maps(torch.randn(1, 3, 32, 32))
    assert backbone.strides == strides
    assert [32 // stage.shape[-1] for stage in maps] == strides


def test_last_map_pools_to_the_features():
    backbone = Backbone("resnet18").eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        pooled = backbone.maps(images)[-1].mean((2, 3))
        torch.testing.assert_close(pooled, backbone(images))


def test_resnet50_is_torchvisions_v15():
    torchvision = pytest.importorskip("torchvision")
    reference = torchvision.models.resnet50(weights=None)
    reference.fc = torch.nn.Identity()
    backbone = Backbone("resnet50")
    reference.load_state_dict(backbone.net.state_dict(), strict=True)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone.eval()(images), reference.eval()(images))


def test_spec_builds_the_same_architecture_again():
    backbone = Backbone("resnet18", stem="cifar", zero_init_last=False)
    again = Backbone(**backbone.spec)
    again.load_state_dict(backbone.state_dict(), strict=True)
    assert again.spec == backbone.spec


def test_bad_input():
    with pytest.raises(ValueError, match="`name` must be a timm model, got 'resnet5o'"):
        Backbone("resnet5o")
    with pytest.raises(ValueError, match="`stem`='no_pool' needs a timm ResNet with a max-pool"):
        Backbone("test_vit", stem="no_pool")
    with pytest.raises(ValueError, match=r"`stem`='cifar' needs a ResNet whose stem is one conv"):
        Backbone("resnet10t", stem="cifar")
    with pytest.raises(
        ValueError, match="`stem` must be one of 'imagenet', 'no_pool', 'cifar', got 'small'"
    ):
        Backbone("resnet18", stem="small")


def test_the_name_of_release_0_1_0_tells_its_successor():
    with pytest.warns(DeprecationWarning, match=r"instdisc.checkpoint.open_backbone"):
        from instdisc.models import as_backbone
    backbone = as_backbone("test_resnet")
    assert as_backbone(backbone) is backbone


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_one_stage_is_that_of_all(name):
    backbone = Backbone(name).eval()
    side = backbone.input.size if name == "test_vit" else 64
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = backbone.maps(images)
        for stage, expected in enumerate(maps):
            torch.testing.assert_close(backbone.stage_map(images, stage), expected)


def test_one_stage_of_a_backbone_with_maps_of_its_own():
    class Doubled(Backbone):
        def maps(self, images):
            return [2 * stage for stage in super().maps(images)]

    backbone = Doubled("test_resnet").eval()
    images = torch.ones(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone.stage_map(images, 1), backbone.maps(images)[1])
