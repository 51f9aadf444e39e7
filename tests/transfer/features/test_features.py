"""Features: their order, what is restored, and broken weights."""

import pytest
import torch

from instdisc.data import ImageSource, Scenes, evaluation_policy
from instdisc.models import Backbone
from instdisc.transfer import extract_features


@pytest.fixture(scope="module")
def backbone():
    return Backbone("test_resnet")


def by_hand(backbone, images, size):
    policy, rows = evaluation_policy(size), []
    with torch.no_grad():
        for index in range(len(images)):
            view = policy.cut(images.read(index), [], False)[None]
            rows.append(backbone.eval()(policy.finish(view, torch.zeros(1, 0))))
    return torch.cat(rows)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_features_are_those_of_the_centres_in_order(backbone, num_workers):
    images = Scenes(11, image_size=48)
    found = extract_features(backbone, images, image_size=32, batch_size=4, num_workers=num_workers)
    assert found.features.shape == (11, backbone.dim)
    assert found.features.dtype == torch.float32
    assert torch.equal(found.labels, images.labels)
    torch.testing.assert_close(found.features, by_hand(backbone, images, 32), atol=1e-5, rtol=1e-4)


def test_batch_size_does_not_matter(backbone):
    images = Scenes(5, image_size=32)
    found = [
        extract_features(backbone, images, image_size=32, batch_size=size).features
        for size in (1, 3, 100)
    ]
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[2], found[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet"])
def test_other_backbones(name):
    options = {"img_size": 32} if "vit" in name else {}
    backbone = Backbone(name, **options)
    found = extract_features(backbone, Scenes(3, image_size=32), image_size=32)
    assert found.features.shape == (3, backbone.dim)


def test_mode_and_state_are_restored():
    backbone = Backbone("test_resnet").train()
    frozen = next(m for m in backbone.modules() if isinstance(m, torch.nn.BatchNorm2d))
    frozen.eval()
    modes = [module.training for module in backbone.modules()]
    state = {key: value.clone() for key, value in backbone.state_dict().items()}
    extract_features(backbone, Scenes(4, image_size=32), image_size=32)
    assert [module.training for module in backbone.modules()] == modes
    assert not frozen.training
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())


def test_mode_is_restored_after_a_failure():
    class Broken(ImageSource):
        name, classes, labels = "broken", ("a",), torch.zeros(3, dtype=torch.int64)

        def read(self, index):
            raise ValueError("cannot read the image")

    backbone = Backbone("test_resnet").train()
    with pytest.raises(ValueError, match="cannot read the image"):
        extract_features(backbone, Broken(), image_size=32)
    assert backbone.training


def test_broken_weights_are_refused():
    backbone = Backbone("test_resnet")
    with torch.no_grad():
        next(backbone.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match="features of image 0 of 'scenes' are not finite: the ba"):
        extract_features(backbone, Scenes(4, image_size=32), image_size=32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 0}, "`image_size` must be a whole number of at least 1, got 0"),
        (
            {"image_size": 32, "batch_size": 0},
            "`batch_size` must be a whole number of at least 1, got 0",
        ),
    ],
)
def test_bad_arguments(backbone, options, message):
    with pytest.raises(ValueError, match=message):
        extract_features(backbone, Scenes(4, image_size=32), **options)
