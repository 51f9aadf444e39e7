"""Folders of tar shards, by what a user writes."""

import shutil

import pytest
import torch

from instdisc.data import (
    LAYOUTS,
    HeldOut,
    ImageArray,
    ImageFolder,
    ImageShards,
    ViewData,
    kinds_of,
    open_images,
    open_path,
    write_shards,
)


def write(folder, labels, classes=("cat", "dog", "emu")):
    """Shards of images, each of one grey."""
    labels = torch.tensor(labels)
    pixels = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None]
    images = ImageArray(
        pixels.expand(-1, 3, 32, 32), labels, classes=classes or list("012"), name="x"
    )
    write_shards(images, folder, images_per_shard=4)
    if not classes:
        (folder / "classes.txt").unlink()
    return images


@pytest.fixture
def parts(tmp_path):
    write(tmp_path / "pets" / "train", [0, 1, 2, 0, 1, 2, 0])
    write(tmp_path / "pets" / "val", [2, 1])
    (tmp_path / "pets" / "notes").mkdir()
    return tmp_path


def test_a_folder_of_tars_and_no_images(tmp_path):
    write(tmp_path / "pets", [0, 1, 2])
    assert isinstance(open_path(tmp_path / "pets"), ImageShards)
    shards = ViewData(tmp_path / "pets", image_size=16, batch_size=2, on_unreadable="skip").images
    assert isinstance(shards, ImageShards)
    assert shards.on_unreadable == "skip"
    (tmp_path / "pets" / "cat").mkdir()
    (tmp_path / "pets" / "cat" / "1.png").write_bytes(shards.encoded(0))
    assert isinstance(open_path(tmp_path / "pets"), ImageFolder)


def test_what_is_wrong_is_said_by_the_users_own_name(tmp_path):
    (tmp_path / "0.tar.gz").touch()
    with pytest.raises(ValueError, match="`images` must be plain .tar files, got '0.tar.gz'"):
        ViewData(tmp_path)


def test_parts_of_shards(parts):
    assert kinds_of("pets", parts, LAYOUTS) == ["images"]
    train, test, both = (open_images("pets", parts, part=part) for part in ("train", "test", "all"))
    assert [len(images) for images in (train, test, both)] == [7, 2, 9]
    assert {images.name for images in (train, test, both)} == {"pets"}
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert test.labels.tolist() == [2, 1]
    assert both.labels.tolist() == [*train.labels.tolist(), *test.labels.tolist()]
    assert both.image_names()[-1] == "test/000000/000000001"


def test_other_folders_are_said(parts, caplog):
    open_images("pets", parts, part="train")
    assert f"{parts / 'pets'}: 1 folders are neither to train on nor to test on" in caplog.text


def test_one_folder_is_split(tmp_path, caplog):
    write(tmp_path / "pets", [0, 1] * 10)
    train, test = (open_images("pets", tmp_path, part=part) for part in ("train", "test"))
    assert (len(train), len(test)) == (14, 6)
    assert "says nothing of a split" in caplog.text


def test_numbers_that_nobody_named_are_joined(tmp_path):
    write(tmp_path / "pets" / "train", [0, 1, 2, 0], classes=())
    write(tmp_path / "pets" / "test", [1, 0], classes=())
    for part, labels in (("train", [0, 1, 2, 0]), ("test", [1, 0])):
        images = open_images("pets", tmp_path, part=part)
        assert (images.classes, images.labels.tolist()) == (["0", "1", "2"], labels)


def test_parts_with_other_classes(parts):
    shutil.rmtree(parts / "pets" / "val")
    write(parts / "pets" / "val", [2, 1], classes=["cat", "dog", "gnu"])
    with pytest.raises(
        ValueError,
        match="must have the same classes in one order, got 'emu'",
    ):
        open_images("pets", parts, part="train")


def test_labels_are_needed(tmp_path):
    write(tmp_path / "pets", [0, -1, 1])
    with pytest.raises(ValueError, match="1 of the 3 images of 'pets' have no label"):
        open_images("pets", tmp_path, part="all")


def test_images_are_held_out(tmp_path):
    write(tmp_path / "pets", [0, 1] * 10)
    assert len(HeldOut(str(tmp_path / "pets"), "test", share=0.1)) == 2
