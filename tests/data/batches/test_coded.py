"""Batches whose JPEG files the device decodes; here the CPU in its place."""

import logging

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import ImageFolder, Scenes, ViewDataset, ViewLoader, view_policy
from instdisc.data.batches.coded import CodedDataset, CodedForm
from instdisc.types import Views

CPU = torch.device("cpu")
POLICIES = [view_policy("moco_v2", 48), view_policy("zhao_fr", 40)]
OTHERS = {"progressive": {"progressive": True}, "grey": {}, "png": {}, "large": {"quality": 100}}


def pixels(index, height=60, width=80):
    scene = Scenes(8, image_size=96).read(index)[:, :height, :width]
    return scene.permute(1, 2, 0).numpy()


@pytest.fixture
def folder(tmp_path):
    """Twelve files, all plain JPEG but those whose names say otherwise."""
    for index in range(8):
        Image.fromarray(pixels(index, 60 + index, 80)).save(tmp_path / f"{index}.jpg", quality=90)
    for index, (name, options) in enumerate(OTHERS.items()):
        image = Image.fromarray(pixels(index))
        if name == "grey":
            image = image.convert("L")
        if name == "large":
            noise = np.random.default_rng(0).integers(0, 255, (160, 160, 3), dtype=np.uint8)
            image = Image.fromarray(noise)
        image.save(tmp_path / f"{name}.{'png' if name == 'png' else 'jpg'}", **options)
    return tmp_path


def assert_alike(ours, expected):
    assert torch.equal(ours.indices, expected.indices)
    assert torch.equal(ours.labels, expected.labels)
    for numbers, other in zip(ours.numbers, expected.numbers, strict=True):
        assert torch.equal(numbers, other)
    for view, other in zip(ours.views, expected.views, strict=True):
        assert view.shape == other.shape
        difference = (view.int() - other.int()).abs()
        assert int(difference.max()) <= 1  # torch rounds the weights of its resize
        assert float(difference.float().mean()) < 0.2


def brought(data, keys, batch_size=None):
    form = CodedForm(data, batch_size or len(keys))
    block = torch.zeros(form.num_bytes, dtype=torch.uint8)
    half = len(keys) // 2
    form.make(block, half, keys[half:])
    if half:
        form.make(block, 0, keys[:half])
    return form.bring(block, len(keys), CPU)


@pytest.mark.parametrize("positions", [range(12), range(8), range(8, 12), [3]])
def test_views_are_those_that_workers_cut(folder, positions):
    images = ImageFolder(folder, index=False)
    assert len(images) == 12
    keys = [(2, index) for index in positions]
    expected = ViewDataset(images, POLICIES, seed=5).batch(keys)
    assert_alike(brought(CodedDataset(images, POLICIES, seed=5), keys, 13), expected)


def test_only_plain_files_are_left_to_the_device(folder):
    images = ImageFolder(folder, index=False)
    data = CodedDataset(images, POLICIES)
    coded = data.coded([(0, index) for index in range(12)])
    left = [images.path(index).stem for index in coded.lengths.nonzero()[:, 0].tolist()]
    assert left == [str(index) for index in range(8)]


def test_subsets_are_coded_and_images_without_files_are_not(folder):
    images = ImageFolder(folder, index=False).subset(torch.tensor([5, 2]))
    assert bool(CodedDataset(images, POLICIES).coded([(0, 0), (0, 1)]).lengths.all())
    keys = [(0, 0), (0, 3)]
    scenes = Scenes(4, image_size=64)
    assert not CodedDataset(scenes, POLICIES).coded(keys).lengths.any()
    assert_alike(
        brought(CodedDataset(scenes, POLICIES), keys), ViewDataset(scenes, POLICIES).batch(keys)
    )


def spoil(path):
    """A file whose header is that of a good one."""
    file = bytearray(path.read_bytes())
    tables = file.index(b"\xff\xc4")
    file[tables + 5 : tables + 21] = b"\xff" * 16  # a table of more codes than there are
    path.write_bytes(file)


def test_a_file_that_cannot_be_decoded_is_named(folder):
    spoil(folder / "3.jpg")
    data = CodedDataset(ImageFolder(folder, index=False), POLICIES)
    with pytest.raises(ValueError, match=r"cannot read the image .*3\.jpg"):
        brought(data, [(0, 2), (0, 3)])


def test_a_file_that_cannot_be_decoded_is_skipped(folder, caplog):
    spoil(folder / "3.jpg")
    images = ImageFolder(folder, index=False, on_unreadable="skip")
    keys = [(0, 2), (0, 3)]
    with caplog.at_level(logging.WARNING):
        ours = brought(CodedDataset(images, POLICIES), keys)
    assert "a batch of JPEG files is decoded by the CPU" in caplog.text
    assert ours.indices.tolist() == [2, 4]
    assert_alike(ours, ViewDataset(images, POLICIES).batch(keys))


def test_a_loader_hands_them_out(folder):
    images = ImageFolder(folder, index=False)

    def finish(raw):
        return Views([view.float() for view in raw.views], raw.labels, raw.indices)

    loaders = [
        ViewLoader(kind(images, POLICIES), 5, num_workers=1, drop_last=False, finish=finish)
        for kind in (CodedDataset, ViewDataset)
    ]
    for ours, expected in zip(*loaders, strict=True):
        assert torch.equal(ours.indices, expected.indices)
        for view, other in zip(ours.images, expected.images, strict=True):
            torch.testing.assert_close(view, other, rtol=0, atol=1)


def test_bad_policies(folder):
    policy = view_policy("moco_v2", 48)
    policy.frame.interpolation = "bicubic"
    with pytest.raises(ValueError, match="`decode`='device' needs bilinear policies"):
        CodedDataset(ImageFolder(folder, index=False), [policy])


def test_a_loader_without_workers_refuses(folder):
    data = CodedDataset(ImageFolder(folder, index=False), POLICIES)
    with pytest.raises(ValueError, match="`num_workers` must be at least 1 .* got 0"):
        ViewLoader(data, 4)
