"""How a backbone sees images, and which weights it says that it is of."""

import pytest
import timm
import torch

from instdisc.checkpoint import export_backbone, load_backbone
from instdisc.data import Scenes
from instdisc.models import Backbone
from instdisc.models.identity import fixed_size, published_input
from instdisc.transfer.features import extract_features
from instdisc.types import InputSpec

PUBLISHED = {
    "input_size": (3, 48, 48),
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "interpolation": "bicubic",
    "crop_pct": 0.9,
}


@pytest.fixture
def published(monkeypatch):
    """timm's published weights, without a network: random ones that say how they see."""
    create = timm.create_model

    def fake(name, pretrained=False, **options):
        net = create(name, pretrained=False, **options)
        if pretrained:
            net.pretrained_cfg = {**net.pretrained_cfg, **PUBLISHED}
        return net

    monkeypatch.setattr(timm, "create_model", fake)


def build(name="test_resnet", kind=Backbone, **options):
    torch.manual_seed(0)
    return kind(name, **options)


def test_published_weights_see_as_timm_says(published, tmp_path):
    backbone = build(pretrained=True)
    expected = InputSpec(48, (0.5,) * 3, (0.5,) * 3, "bicubic", 0.9)
    assert backbone.input == expected
    assert build().input == InputSpec()
    assert backbone.about().method == "timm:test_resnet"
    loaded = load_backbone(export_backbone(backbone, tmp_path / "a.safetensors"))
    assert loaded.input == expected
    scenes = Scenes(3, image_size=64)
    seen = extract_features(backbone, scenes)
    assert seen.about.view["mean"] == [0.5] * 3
    loaded.input = InputSpec(48)
    assert not torch.allclose(seen.features, extract_features(loaded, scenes).features)


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        ({}, {}),
        ({"interpolation": "lanczos"}, {"interpolation": "bicubic"}),
        ({"mean": None, "crop_pct": None}, {}),
        ({"input_size": (3, 96, 64), "crop_pct": 1.0}, {"size": (96, 64), "crop": 1.0}),
    ],
)
def test_what_a_configuration_tells(config, changes):
    assert published_input(config) == InputSpec()._replace(**changes)


def test_a_mean_of_one_channel_is_refused():
    with pytest.raises(ValueError, match="3 channels"):
        published_input({"mean": (0.5,)})


def test_the_only_size_that_a_network_takes():
    assert build("test_vit", img_size=32).input.size == 32
    assert fixed_size(build().net, {}) is None
    assert fixed_size(build().net, {"fixed_input_size": True, "input_size": (3, 9, 9)}) == 9


def test_equal_weights_are_one_checkpoint_however_they_are_stored(tmp_path):
    source = build("resnet18", zero_init_last=False)
    files = [
        export_backbone(source, tmp_path / name, format=format)
        for name, format in (("a.safetensors", "instdisc"), ("b.pth", "timm"))
    ]
    hashes = {load_backbone(file).about().weights for file in files}
    assert hashes == {source.about().weights}


class Doubled(Backbone):
    """Other features from the same network."""

    def forward(self, images):
        return 2 * super().forward(images)


def test_a_subclass_is_another_backbone():
    plain, doubled = build(), build(kind=Doubled)
    assert plain.about().weights == build().about().weights != doubled.about().weights
    assert doubled.about().weights == build(kind=Doubled).about().weights


def test_a_trained_backbone_is_not_called_by_its_file(tmp_path):
    backbone = load_backbone(export_backbone(build(), tmp_path / "mine.safetensors"))
    assert backbone.about().checkpoint == str(tmp_path / "mine.safetensors")
    with torch.no_grad():
        next(backbone.parameters()).mul_(2)
    about = backbone.about()
    assert (about.method, about.checkpoint, about.pretraining) == (
        "mine, changed",
        "",
        "instdisc, changed",
    )
