"""Sets in larger files, whole and in parts, by what a user writes."""

import io
import shutil

import pytest
import torch
from PIL import Image

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


def write_hub(folder, **parts):
    """Parquet as the Hugging Face Hub has it: a file or several of each part."""
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    folder.mkdir(parents=True)
    for name, labels in parts.items():
        greys = [torch.full((3, 8, 8), row, dtype=torch.uint8) for row in range(len(labels))]
        files = [{"bytes": encode(grey), "path": None} for grey in greys]
        halves = [slice(0, 2), slice(2, None)]
        for number, half in enumerate(halves):
            table = arrow.table({"image": files[half], "label": [str(x) for x in labels[half]]})
            file = folder / f"{name}-{number:05d}-of-{len(halves):05d}.parquet"
            parquet.write_table(table, file, row_group_size=2)


def encode(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("below", ["", "data"])
def test_a_data_set_of_the_hub(tmp_path, caplog, below):
    write_hub(tmp_path / "pets" / below, train=[0, 1, 0, 1, 1], validation=[1, 1, 0, 0])
    (tmp_path / "pets" / "README.md").touch()
    assert kinds_of("pets", tmp_path, LAYOUTS) == ["images"]
    for part, labels in (("train", [0, 1, 0, 1, 1]), ("test", [1, 1, 0, 0])):
        for images in (
            open_images("pets", tmp_path, part=part),
            open_path(f"{tmp_path / 'pets'}@{part}"),
        ):
            assert (images.labels.tolist(), images.name) == (labels, "pets")
            assert [int(images.read(row)[0, 0, 0]) for row in range(len(images))] == [
                *range(len(labels))
            ]
    assert not caplog.records
    data = ViewData(
        tmp_path / "pets", f"{tmp_path / 'pets'}@test", image_size=16, batch_size=2, seed=1
    )
    assert (len(data.images), len(data.test_images), data.images.name) == (5, 4, "pets")
    assert f"{tmp_path / 'pets'}@test names the others" in caplog.text
    assert len(HeldOut(f"{tmp_path / 'pets'}@all", "test", share=0.25)) == 3


def test_one_part_alone_is_the_set(tmp_path, caplog):
    write_hub(tmp_path / "pets" / "data", train=[0, 1, 0, 1, 1])
    images = open_path(tmp_path / "pets")
    assert (len(images), images.name) == (5, "pets")
    assert not caplog.records
    with pytest.raises(ValueError, match="`images` must be a folder with files to train on and"):
        ViewData(f"{tmp_path / 'pets'}@train")
    with pytest.raises(FileNotFoundError, match="a folder of images, got '.*none@train'"):
        open_path(tmp_path / "none@train")


def test_a_class_may_be_called_data(tmp_path):
    write_hub(tmp_path / "pets" / "data", train=[0, 1, 0], test=[1, 0, 1])
    (tmp_path / "pets" / "cat").mkdir()
    for name in ("cat", "data"):
        (tmp_path / "pets" / name / "1.png").write_bytes(encode(torch.zeros(3, 8, 8).byte()))
    assert isinstance(open_path(tmp_path / "pets"), ImageFolder)


def test_a_folder_may_have_an_at_sign(tmp_path):
    write_hub(tmp_path / "pets@train", train=[0, 1, 0], test=[1, 0, 1, 1])
    assert len(open_path(tmp_path / "pets@train")) == 3
    assert len(open_path(f"{tmp_path / 'pets@train'}@test")) == 4
