"""The index of shards: kept, checked, mended, shared."""

import multiprocessing
import os
import shutil

import numpy as np
import pytest
import torch

from instdisc.data import ImageShards
from instdisc.data.images.shards import parallel, places
from instdisc.data.images.shards import samples as reading

from .conftest import write_tar


@pytest.fixture
def scanned(monkeypatch):
    """Names of the shards that are scanned."""
    names = []
    read = reading.read_samples

    def watch(path, rules, **options):
        names.append(path.name)
        return read(path, rules, **options)

    monkeypatch.setattr(places, "read_samples", watch)
    return names


@pytest.fixture
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("index")


def content(images):
    """All that is known of images."""
    index = images._index
    return [images.labels.tolist(), index.blocks.tolist(), index.sizes.tolist(), images.classes]


def test_shards_are_scanned_once(shards, place, scanned):
    images = ImageShards(shards, index=place)
    assert scanned == ["pets-0.tar", "pets-1.tar"]
    expected = content(ImageShards(shards, index=False))
    scanned.clear()
    again = ImageShards(shards, index=str(place))
    assert scanned == []
    assert content(images) == content(again) == expected
    assert [path.suffix for path in place.iterdir() if path.name[0] != "."] == [".shards"]


def test_it_takes_sixteen_bytes_of_an_image_and_is_mapped(tmp_path, place):
    write_tar(tmp_path / "0.tar", {f"{i}.ppm": b"P6 1 1 255 abc" for i in range(3000)})
    images = ImageShards(tmp_path, index=place)
    index = images._index
    columns = (index.labels, index.blocks, index.sizes)
    assert sum(column.nbytes for column in columns) == 16 * len(images)
    assert index.file.stat().st_size < 16 * len(images) + 2000
    assert all(isinstance(column.base, np.memmap) for column in columns)
    assert images.labels.data_ptr() == index.labels.ctypes.data  # no copy
    images.labels[0] = 7  # a page of this process alone
    assert int(ImageShards(tmp_path, index=place).labels[0]) == -1


@pytest.mark.parametrize("change", ["size", "time", "another", "gone", "renamed"])
def test_only_what_changed_is_scanned_again(shards, place, scanned, change):
    write_tar(shards / "pets-2.tar", {"g.png": 60, "g.cls": "gnu"}, age=80)
    ImageShards(shards, index=place)
    scanned.clear()
    expected = ["pets-1.tar"]
    if change == "size":
        files = {f"{i}.png": i for i in range(20)}
        write_tar(shards / "pets-1.tar", {**files, "0.cls": "ant"}, age=90)
    elif change == "time":
        write_tar(shards / "pets-1.tar", {"e.png": 41, "e.cls": "owl", "x.txt": "?"}, age=50)
    elif change == "another":
        write_tar(shards / "pets-10.tar", {"h.png": 70, "h.cls": "yak"}, age=50)
        expected = ["pets-10.tar"]
    elif change == "gone":
        (shards / "pets-1.tar").unlink()
        expected = []
    else:
        (shards / "pets-1.tar").rename(shards / "a.tar")
        expected = ["a.tar"]
    images = ImageShards(shards, index=place)
    assert scanned == expected
    assert content(images) == content(ImageShards(shards, index=False))
    scanned.clear()
    assert content(ImageShards(shards, index=place)) == content(images)
    assert scanned == []


def test_a_shard_that_was_written_just_now_is_scanned_again(tmp_path, place, scanned):
    """It may change again within the same tick of the clock."""
    write_tar(tmp_path / "0.tar", {"a.png": 0, "a.cls": "1"})
    assert ImageShards(tmp_path, index=place).labels.tolist() == [1]
    write_tar(tmp_path / "0.tar", {"a.png": 0, "a.cls": "2"})
    assert ImageShards(tmp_path, index=place).labels.tolist() == [2]


def test_other_options_have_another_index(shards, place):
    by_name = ImageShards(shards, index=place)
    ordered = ImageShards(shards, index=place, classes=["emu", "dog", "cat"])
    none = ImageShards(shards, index=place, label=None)
    assert len(list(place.glob("*.shards"))) == 3
    assert content(ImageShards(shards, index=place)) == content(by_name)
    assert ordered.labels.tolist() == [1, 2, 0, 2, 1]
    assert none.labels.tolist() == [-1] * 5


def test_a_build_that_was_stopped_goes_on(shards, place, scanned, monkeypatch):
    watch = places.read_samples

    def stop(path, rules, **options):
        if path.name == "pets-1.tar":
            raise KeyboardInterrupt
        return watch(path, rules, **options)

    monkeypatch.setattr(places, "read_samples", stop)
    with pytest.raises(KeyboardInterrupt):
        ImageShards(shards, index=place)
    monkeypatch.setattr(places, "read_samples", watch)
    scanned.clear()
    images = ImageShards(shards, index=place)
    assert scanned == ["pets-1.tar"]
    assert content(images) == content(ImageShards(shards, index=False))
    assert not list(place.glob("*.parts"))


def test_a_part_of_a_shard_that_changed_meanwhile_is_not_used(shards, place, scanned, monkeypatch):
    watch = places.read_samples

    def stop(path, rules, **options):
        if path.name == "pets-1.tar":
            raise KeyboardInterrupt
        return watch(path, rules, **options)

    monkeypatch.setattr(places, "read_samples", stop)
    with pytest.raises(KeyboardInterrupt):
        ImageShards(shards, index=place)
    monkeypatch.setattr(places, "read_samples", watch)
    scanned.clear()
    write_tar(shards / "pets-0.tar", {"a.png": 0, "a.cls": "bee"}, age=50)
    (part,) = place.glob("*.parts/*/*.npz")
    assert ImageShards(shards, index=place).classes == ["bee", "cat", "dog"]
    assert scanned == ["pets-0.tar", "pets-1.tar"]
    assert not part.exists()


@pytest.mark.parametrize("left", [0, 10, 200, -1])
def test_a_damaged_index_is_made_again(shards, place, scanned, caplog, left):
    file = ImageShards(shards, index=place)._index.file
    file.write_bytes(file.read_bytes()[:left])
    scanned.clear()
    images = ImageShards(shards, index=place)
    assert len(scanned) == 2
    assert f"the index {file} is of no use" in caplog.text
    assert content(images) == content(ImageShards(shards, index=False))
    changed = bytearray(file.read_bytes())
    changed[-40] ^= 1
    file.write_bytes(changed)
    with caplog.at_level("WARNING"):
        assert content(ImageShards(shards, index=place)) == content(images)
    assert "(it is damaged)" in caplog.text


def test_a_place_that_cannot_be_written(shards, tmp_path_factory, caplog):
    file = tmp_path_factory.mktemp("file") / "file"
    file.touch()
    images = ImageShards(shards, index=file)
    assert "cannot keep the index of the shards in" in caplog.text
    assert content(images) == content(ImageShards(shards, index=False))
    assert images._index.file is None


def test_a_damaged_shard_stops_it_by_name(shards, place):
    whole = (shards / "pets-1.tar").read_bytes()
    (shards / "pets-1.tar").write_bytes(whole[:3000])
    with pytest.raises(ValueError, match=r"cannot read the shard .*pets-1.tar \(it ends too early"):
        ImageShards(shards, index=place)
    (shards / "pets-1.tar").write_bytes(whole)
    assert len(ImageShards(shards, index=place)) == 5


def test_processes_scan_as_one_does(tmp_path, place, monkeypatch):
    for number in range(6):
        files = {f"{i}.png": i for i in range(number + 1)}
        write_tar(tmp_path / f"{number}.tar", {**files, "0.cls": f"c{number}"}, age=100)
    expected = content(ImageShards(tmp_path, index=False))
    monkeypatch.setattr(parallel, "_ENOUGH", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert content(ImageShards(tmp_path, index=place)) == expected
    images = ImageShards(tmp_path, index=False)
    assert content(images) == expected
    assert images.image_names()[-1] == "5/5"
    (tmp_path / "3.tar").write_bytes(b"no tar")
    with pytest.raises(ValueError, match="cannot read the shard .*3.tar"):
        ImageShards(tmp_path, index=place)


def _open(folder, place, queue):
    queue.put(content(ImageShards(folder, index=place)))


def test_several_processes_want_one_index(shards, place):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=_open, args=(shards, place, queue)) for _ in range(4)]
    for child in children:
        child.start()
    expected = content(ImageShards(shards, index=False))
    assert [queue.get(timeout=60) for _ in children] == [expected] * 4
    for child in children:
        child.join()


def test_a_folder_that_was_copied_has_an_index_of_its_own(shards, place, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy") / shards.name
    images = ImageShards(shards, index=place)
    shutil.copytree(shards, copy)
    other = ImageShards(copy, index=place)
    assert other._index.file != images._index.file
    assert other.fingerprint() == images.fingerprint()
    assert torch.equal(other.labels, images.labels)
