"""Keys of files follow what the files hold, wherever they lie and whenever they were written."""

import os
import shutil
import time

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import ImageArray, ImageFolder, ImageSubset, Scenes
from instdisc.data.images import contents
from instdisc.data.images.contents import file_keys


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "memory"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    for name in "abc":
        (root / name).write_bytes(name.encode() * 10)
    return root


def keys(root, memory, names=("a", "b", "c")):
    return file_keys(root, list(names), memory=memory).keys.tolist()


def age(path, seconds=100):
    """Makes a file old, so that its hash may be remembered."""
    stamp = time.time_ns() - seconds * 10**9
    os.utime(path, ns=(stamp, stamp))


def test_a_copy_has_the_same_keys(folder, memory, tmp_path):
    before = keys(folder, memory)
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert keys(tmp_path / "elsewhere", memory) == before


def test_time_is_no_part_of_a_key(folder, memory):
    before = keys(folder, memory)
    age(folder / "a")
    assert keys(folder, memory) == before


def test_only_the_changed_file_changes(folder, memory):
    before = keys(folder, memory)
    (folder / "b").write_bytes(b"x" * 10)  # of the same size
    after = keys(folder, memory)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_a_change_with_the_old_time_and_size_shows(folder, memory, monkeypatch):
    monkeypatch.setattr(contents, "_SETTLED", 0)
    age(folder / "a")
    before, status = keys(folder, memory), (folder / "a").stat()
    (folder / "a").write_bytes(b"y" * 10)
    os.utime(folder / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert keys(folder, memory) != before


def test_remembered_hashes_are_not_made_again(folder, memory, monkeypatch):
    monkeypatch.setattr(contents, "_SETTLED", 0)
    first = keys(folder, memory)
    time.sleep(0.02)
    monkeypatch.setattr(contents, "_hash_file", None)
    assert keys(folder, memory) == first


def test_a_file_of_this_moment_is_hashed_again(folder, memory, monkeypatch):
    keys(folder, memory)
    hashed = []
    real = contents._hash_file
    monkeypatch.setattr(contents, "_hash_file", lambda path: hashed.append(path) or real(path))
    keys(folder, memory)
    assert len(hashed) == 3


def test_a_missing_file_has_a_key_of_its_own(folder, memory):
    before = keys(folder, memory)
    (folder / "c").unlink()
    after = keys(folder, memory)
    assert after[:2] == before[:2]
    assert after[2] != before[2]


def test_broken_memory_is_made_again(folder, memory, caplog):
    before = keys(folder, memory)
    (file,) = memory.iterdir()
    file.write_bytes(b"nonsense")
    assert keys(folder, memory) == before
    assert "of no use" in caplog.text


def test_memory_that_cannot_be_written_is_said(folder, tmp_path, caplog):
    (tmp_path / "blocked").write_text("")
    assert keys(folder, tmp_path / "blocked") == keys(folder, False)
    assert "cannot remember" in caplog.text


def test_large_sets_go_by_path_and_size(folder, memory, tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "LARGE", 20)
    monkeypatch.setattr(contents, "_hash_file", None)
    found = file_keys(folder, ["a", "b", "c"], memory=memory)
    assert not found.by_content
    shutil.copytree(folder, tmp_path / "elsewhere")
    copied = file_keys(tmp_path / "elsewhere", ["a", "b", "c"], memory=memory)
    assert np.array_equal(found.keys, copied.keys)


def test_a_changed_file_of_a_large_set_is_hashed(folder, memory, monkeypatch):
    monkeypatch.setattr(contents, "LARGE", 20)
    before = keys(folder, memory)
    (folder / "b").write_bytes(b"x" * 10)
    age(folder / "b")
    after = keys(folder, memory)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]
    assert keys(folder, memory) == after  # and stays so


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        for index in range(3):
            pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / kind / f"{index}.png")
    return tmp_path / "pets"


def test_fingerprints_of_folders(images, tmp_path):
    first = ImageFolder(images).fingerprint()
    assert first.by_content
    shutil.copytree(images, tmp_path / "other name")
    assert ImageFolder(tmp_path / "other name").fingerprint() == first
    Image.new("RGB", (8, 8)).save(images / "dog" / "1.png")
    assert ImageFolder(images).fingerprint() != first


def test_fingerprints_follow_labels_classes_and_order(images):
    pets = ImageFolder(images)
    whole = pets.fingerprint()
    assert ImageSubset(pets, torch.arange(6)).fingerprint() == whole
    assert ImageSubset(pets, torch.arange(6).flip(0)).fingerprint() != whole
    pets.classes = ["cow", "dog"]
    assert pets.fingerprint() != whole
    relabelled = ImageFolder(images)
    relabelled.labels = 1 - relabelled.labels
    assert relabelled.fingerprint() != whole


def test_fingerprints_of_pixels_and_scenes():
    pixels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    labels = torch.tensor([0, 1])
    first = ImageArray(pixels, labels, classes=["a", "b"], name="x").fingerprint()
    other = pixels.clone()
    other[1, 0, 0, 0] = 1
    assert ImageArray(other, labels, classes=["a", "b"], name="x").fingerprint() != first
    scenes = [Scenes(4, image_size=32, seed=seed).fingerprint() for seed in (0, 0, 1)]
    assert scenes[0] == scenes[1] != scenes[2]
    few = Scenes(8, image_size=32).image_keys(torch.tensor([2]))
    assert np.array_equal(few.keys, Scenes(4, image_size=32).image_keys().keys[2:3])
