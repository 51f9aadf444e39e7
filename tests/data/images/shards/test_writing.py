"""Shards of any set, equal to it."""

import tarfile

import pytest
import torch

from instdisc.data import ImageArray, ImageFolder, ImageShards, Scenes, write_shards
from instdisc.data.images.shards import writing

from .conftest import png


@pytest.fixture
def folder(tmp_path):
    """Cats and dogs; one of them is broken."""
    for number, name in enumerate(["cat/1.png", "cat/2.gif", "dog/1.png", "dog/2.png"]):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number)[: -40 if name == "dog/1.png" else None])
    (tmp_path / "folder/cat/2.gif").rename(tmp_path / "folder/cat/2.jpg")  # a PNG by content
    return tmp_path / "folder"


def test_files_are_copied_as_they_are(folder, tmp_path):
    images = ImageFolder(folder)
    shards = write_shards(images, tmp_path / "shards", images_per_shard=3)
    assert [shards.encoded(i) for i in range(4)] == [images.encoded(i) for i in range(4)]
    assert (shards.classes, shards.name) == (images.classes, "folder")
    assert torch.equal(shards.labels, images.labels)
    assert shards.fingerprint() == images.fingerprint()
    with tarfile.open(tmp_path / "shards" / "000000.tar") as tar:
        names = [member.name for member in tar]
    assert names == [f"{i:09}.{ending}" for i in range(3) for ending in ("png", "cls")]
    again = ImageShards(tmp_path / "shards", index=False)
    assert torch.equal(again.labels, images.labels)
    with pytest.raises(ValueError, match="the image 000000/000000002 of"):
        again.read(2)


def test_other_images_become_png(tmp_path):
    scenes = Scenes(7, image_size=32)
    shards = write_shards(scenes, tmp_path, images_per_shard=3, num_threads=1)
    assert len(shards.shards) == 3
    assert all(torch.equal(shards.read(i), scenes.read(i)) for i in range(7))
    assert (shards.classes, shards.labels.tolist()) == (scenes.classes, scenes.labels.tolist())


def test_images_without_label(tmp_path):
    pixels = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    none = ImageArray(pixels, torch.full((3,), -1), name="none")
    shards = write_shards(none, tmp_path / "none")
    assert (shards.classes, shards.labels.tolist()) == ([], [-1] * 3)
    some = ImageArray(pixels, torch.tensor([1, -1, 0]), classes=["a b", "ü"], name="some")
    shards = write_shards(some, tmp_path / "some")
    assert (shards.classes, shards.labels.tolist()) == (["a b", "ü"], [1, -1, 0])


def test_what_cannot_be_read_keeps_its_place(tmp_path, caplog):
    class Broken(ImageArray):
        def read(self, index):
            if index == 1:
                raise ValueError("broken")
            return super().read(index)

    pixels = torch.arange(3, dtype=torch.uint8)[:, None, None, None].expand(3, 3, 8, 8)
    images = Broken(pixels, torch.tensor([0, 0, 0]), classes=["a"], name="b")
    with pytest.raises(ValueError, match="broken"):
        write_shards(images, tmp_path / "raise")
    images.on_unreadable = "skip"
    shards = write_shards(images, tmp_path / "skip")
    assert "1 images of b cannot be read and are empty in" in caplog.text
    for index in range(3):
        position, image = shards.fetch(index)
        expected, original = images.fetch(index)
        assert position == expected
        assert torch.equal(image, original)


def test_a_call_that_was_stopped_goes_on(tmp_path, monkeypatch):
    scenes = Scenes(7, image_size=32)
    write = writing._write_tar

    def stop(path, files):
        if path.name == "000001.tar":
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        write(path, files)

    monkeypatch.setattr(writing, "_write_tar", stop)
    with pytest.raises(KeyboardInterrupt):
        write_shards(scenes, tmp_path, images_per_shard=3)
    assert [path.name for path in tmp_path.glob("*.tar")] == ["000000.tar"]
    before = (tmp_path / "000000.tar").stat().st_mtime_ns
    monkeypatch.setattr(writing, "_write_tar", write)
    done = []
    shards = write_shards(
        scenes, tmp_path, images_per_shard=3, progress=lambda *numbers: done.append(numbers)
    )
    assert done == [(3, 7), (6, 7), (7, 7)]
    assert (tmp_path / "000000.tar").stat().st_mtime_ns == before
    assert all(torch.equal(shards.read(i), scenes.read(i)) for i in range(7))
    assert len(write_shards(scenes, tmp_path, images_per_shard=3)) == 7  # nothing left to do


def test_a_folder_with_something_else_is_refused(tmp_path):
    scenes = Scenes(4, image_size=32)
    write_shards(scenes, tmp_path / "a", images_per_shard=3)
    for others, size in ((Scenes(5, image_size=32), 3), (scenes, 2)):
        with pytest.raises(ValueError, match="`folder` .* holds shards of other images"):
            write_shards(others, tmp_path / "a", images_per_shard=size)
    with pytest.raises(ValueError, match="`folder` must be a new folder .*which holds other files"):
        write_shards(scenes, tmp_path)


@pytest.mark.parametrize("name", ["", " cat", "two\nlines"])
def test_names_that_a_list_cannot_hold(tmp_path, name):
    pixels = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    images = ImageArray(pixels, torch.tensor([0]), classes=[name], name="x")
    with pytest.raises(ValueError, match="`images` must be classes whose names are one line"):
        write_shards(images, tmp_path)
    with pytest.raises(ValueError, match="`images_per_shard` must be a whole number"):
        write_shards(images, tmp_path, images_per_shard=0)
