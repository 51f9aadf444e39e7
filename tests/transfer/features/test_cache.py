"""Features on disk: what finds them again, what does not, and what a damaged file does."""

import logging
import os
import shutil

import pytest
import torch
from PIL import Image

from instdisc.data import ImageFolder, ImagesInMemory, ImageSubset, Scenes
from instdisc.models import Backbone
from instdisc.transfer import cached_features, extract_features
from instdisc.transfer.features import extract as features_module


@pytest.fixture
def folder(tmp_path):
    for index in range(6):
        place = tmp_path / "images" / "ab"[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 36), (40 * index, 9, 9)).save(place / f"{index}.png")
    return tmp_path / "images"


@pytest.fixture(scope="module")
def backbone():
    return Backbone("test_resnet")


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Features by way of the cache, and whether they were computed."""
    calls = []
    real = features_module.extract_features

    def counted(*args, **kwargs):
        calls.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr("instdisc.transfer.features.cache.extract_features", counted)

    def call(backbone, images, **kwargs):
        before = len(calls)
        options = {"image_size": 32, "folder": tmp_path / "cache", **kwargs}
        return cached_features(backbone, images, **options), len(calls) > before

    return call


def test_found_again_as_they_were(ask, backbone, folder):
    first, computed = ask(backbone, ImageFolder(folder))
    assert computed
    again, computed = ask(backbone, ImageFolder(folder), batch_size=2)
    assert not computed
    expected = extract_features(backbone, ImageFolder(folder), image_size=32)
    for found in (first, again):
        assert torch.equal(found.features, expected.features)
        assert torch.equal(found.labels, expected.labels)


def test_another_precision_misses(ask, backbone, folder):
    ask(backbone, ImageFolder(folder))
    half, computed = ask(backbone, ImageFolder(folder), precision="bf16-mixed")
    assert computed
    again, computed = ask(backbone, ImageFolder(folder), precision="bf16-mixed")
    assert not computed
    assert torch.equal(again.features, half.features)
    assert again.about == half.about


def test_one_weight_misses(ask, folder):
    backbone = Backbone("test_resnet")
    ask(backbone, ImageFolder(folder))
    with torch.no_grad():
        next(backbone.parameters())[0, 0, 0, 0] += 1e-3
    assert ask(backbone, ImageFolder(folder))[1]
    backbone.net.bn1.running_var[0] += 1  # a statistic is no parameter, and counts too
    assert ask(backbone, ImageFolder(folder))[1]


def test_another_architecture_with_the_same_weights_misses():
    cifar = Backbone("test_resnet", stem="no_pool")
    plain = Backbone("test_resnet")
    plain.load_state_dict(cifar.state_dict())
    assert cifar.about().weights != plain.about().weights


def test_one_label_misses(ask, backbone, folder):
    images = ImageFolder(folder)
    ask(backbone, images)
    images.labels = images.labels.clone()
    images.labels[2] = 1
    found, computed = ask(backbone, images)
    assert computed
    assert found.labels[2] == 1


def test_image_size_misses(ask, backbone, folder):
    ask(backbone, ImageFolder(folder))
    assert ask(backbone, ImageFolder(folder), image_size=36)[1]


def test_a_changed_image_misses_and_a_copy_of_the_folder_does_not(ask, backbone, folder, tmp_path):
    ask(backbone, ImageFolder(folder))
    shutil.copytree(folder, tmp_path / "copy of it")
    assert not ask(backbone, ImageFolder(tmp_path / "copy of it"))[1]
    Image.new("RGB", (40, 36), "white").save(folder / "a" / "0.png")
    assert ask(backbone, ImageFolder(folder))[1]


def test_how_the_backbone_sees_images_counts(ask, folder):
    backbone = Backbone("test_resnet")
    ask(backbone, ImageFolder(folder))
    for change in ({"mean": (0.5,) * 3}, {"std": (0.5,) * 3}, {"interpolation": "bicubic"}):
        backbone.input = backbone.input._replace(**change)
        features, computed = ask(backbone, ImageFolder(folder))
        assert computed
        assert features.about.view["mean"] == list(backbone.input.mean)


def test_names_of_the_images_come_back(ask, backbone, folder):
    for _ in range(2):
        features, _ = ask(backbone, ImageFolder(folder))
        assert features.names[:2] == ["a/0.png", "a/2.png"]
        assert (features.about.dataset, features.about.architecture) == ("images", "test_resnet")


def test_a_subset_and_its_order_count(ask, backbone, folder):
    images = ImageFolder(folder)
    subsets = [ImageSubset(images, torch.tensor(rows)) for rows in ([0, 1], [1, 0], [0, 1, 2])]
    assert [ask(backbone, subset)[1] for subset in subsets] == [True] * 3
    assert [ask(backbone, subset)[1] for subset in subsets] == [False] * 3


def test_images_without_files_are_told_apart_by_their_pixels(folder):
    one, two = (Scenes(3, image_size=32, seed=seed) for seed in (0, 1))
    two.labels = one.labels
    assert one.fingerprint() != two.fingerprint()
    assert ImagesInMemory(one).fingerprint() != ImagesInMemory(two).fingerprint()


def test_a_reader_of_its_own_is_no_plain_file(folder):
    class Inverted(ImageFolder):
        def read(self, index):
            return 255 - super().read(index)

    assert Inverted(folder).fingerprint() != ImageFolder(folder).fingerprint()


def damage_end(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("damage", [lambda content: content[:50], lambda _: b"", damage_end])
def test_a_damaged_file_is_computed_again_with_one_line(
    damage, ask, backbone, folder, tmp_path, caplog
):
    whole, _ = ask(backbone, ImageFolder(folder))
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        again, computed = ask(backbone, ImageFolder(folder))
    assert computed
    assert torch.equal(again.features, whole.features)
    (line,) = caplog.messages
    assert f"{path} is damaged" in line
    assert not ask(backbone, ImageFolder(folder))[1]  # it is whole again


def test_a_failed_write_leaves_nothing(ask, backbone, folder, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        ask(backbone, ImageFolder(folder))
    assert list((tmp_path / "cache").iterdir()) == []
