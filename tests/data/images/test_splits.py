"""Splits per class, and the files that keep them."""

import json
import random

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import (
    ImageArray,
    ImageFolder,
    ImageSplit,
    ImageSubset,
    image_names,
    read_split,
    split_per_class,
    write_split,
)


def array(labels: list[int], num_classes: int) -> ImageArray:
    return ImageArray(
        torch.zeros(len(labels), 3, 1, 1, dtype=torch.uint8),
        torch.tensor(labels),
        classes=[f"class {index}" for index in range(num_classes)],
        name="array",
    )


@pytest.fixture
def mixed() -> ImageArray:
    labels = [3] * 700 + [0] * 10 + [2] * 3 + [1] * 2
    random.Random(0).shuffle(labels)
    return array(labels, 4)


def naive(labels: list[int], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Lists of each class, in the order of the first of each, shuffled by one generator."""
    members: dict[int, list[int]] = {}
    for position, label in enumerate(labels):
        members.setdefault(label, []).append(position)
    generator = np.random.RandomState(seed)
    train: list[int] = []
    test: list[int] = []
    for positions in members.values():
        generator.shuffle(positions)
        train += positions[: int(share * len(positions))]
        test += positions[int(share * len(positions)) :]
    return sorted(train), sorted(test)


@pytest.mark.parametrize(("share", "seed"), [(0.7, 0), (0.5, 0), (0.7, 3)])
def test_equals_the_naive_loop(share, seed, mixed):
    split = split_per_class(mixed, share, seed=seed)
    train, test = naive(mixed.labels.tolist(), share, seed)
    assert split.train.positions.tolist() == train
    assert split.test.positions.tolist() == test


def test_counts_are_those_of_floating_point(mixed):
    split = split_per_class(mixed)
    assert split.train.labels.bincount().tolist() == [7, 1, 2, 489]
    assert split.test.labels.bincount().tolist() == [3, 1, 1, 211]
    both = torch.cat([split.train.positions, split.test.positions])
    assert both.sort().values.tolist() == list(range(len(mixed)))


def test_draw_is_the_same_for_all_time():
    split = split_per_class(array([0] * 10 + [1] * 10, 2))
    assert split.test.positions.tolist() == [0, 3, 5, 14, 16, 17]


@pytest.mark.parametrize(
    ("labels", "share", "seed", "message"),
    [
        ([0, 0], 1.0, 0, "`share` must be a finite number above 0 and below 1, got 1.0"),
        ([0, 0], 0, 0, "`share` must be a finite number above 0 and below 1, got 0"),
        ([0, 0], 0.7, -1, "`seed` must be a whole number of at least 0, got -1"),
        ([0, -1, -1], 0.7, 0, "all have a label, got 'array' with 2 that have none, '1' first"),
        ([0, 0, 1], 0.7, 0, "the class 'class 1' of 'array' has 1 images, too few"),
        ([0, 0, 1, 1], 0.3, 0, "the class 'class 0' of 'array' has 2 images, too few"),
    ],
)
def test_bad_input(labels, share, seed, message):
    with pytest.raises(ValueError, match=message):
        split_per_class(array(labels, 2), share, seed=seed)


@pytest.fixture
def folder(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (8, 6)).save(tmp_path / "pets" / name / f"{number}.png")
    return ImageFolder(tmp_path / "pets")


def test_file_is_read_back(folder, tmp_path):
    split = split_per_class(folder)
    file = tmp_path / "new" / "split.json"
    write_split(split, file)
    assert json.loads(file.read_text())["test"] == image_names(split.test)
    assert image_names(split.test)[0].startswith("cat/")
    again = read_split(file, ImageFolder(folder.root))
    for one, other in zip(split, again, strict=True):
        assert torch.equal(one.positions, other.positions)
        assert torch.equal(one.labels, other.labels)
    assert again.train.classes == ["cat", "dog"]


def test_file_survives_other_images(folder, tmp_path):
    """Names, not positions: new images elsewhere do not move the split."""
    file = tmp_path / "split.json"
    write_split(split_per_class(folder), file)
    (folder.root / "ant").mkdir()
    Image.new("RGB", (8, 6)).save(folder.root / "ant" / "0.png")
    again = read_split(file, ImageFolder(folder.root))
    assert image_names(again.test) == json.loads(file.read_text())["test"]
    assert set(again.train.labels.tolist()) == {1, 2}


def test_names_of_subsets_of_subsets(folder):
    inner = ImageSubset(folder, torch.tensor([5, 3, 1]))
    assert image_names(ImageSubset(inner, torch.tensor([2, 0]))) == ["cat/1.png", "cat/5.png"]


def test_missing_image_is_named(folder, tmp_path):
    file = tmp_path / "split.json"
    split = split_per_class(folder)
    write_split(split, file)
    gone = image_names(split.test)[2]
    (folder.root / gone).unlink()
    message = f"names 1 images for 'test' that 'pets' does not hold, '{gone}' first.*made of 'pets'"
    with pytest.raises(ValueError, match=message):
        read_split(file, ImageFolder(folder.root))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "its format is 2, not 1"),
        ({"train": []}, "its list 'train' is empty"),
        ({"test": [3]}, "'test' is empty or holds something else than names"),
        ({"test": ["cat/1.png"], "train": ["cat/1.png"]}, "names the image 'cat/1.png' twice"),
        ({"test": ["cat/1.png"] * 2, "train": ["cat/2.png"]}, "'cat/1.png' twice"),
        (None, "is not a split file of instdisc.data.write_split"),
        ([], "is not a split file of instdisc.data.write_split"),
    ],
)
def test_bad_file(change, message, folder, tmp_path):
    file = tmp_path / "split.json"
    write_split(split_per_class(folder), file)
    if isinstance(change, dict):
        change = {**json.loads(file.read_text()), **change}
    file.write_text("{" if change is None else json.dumps(change))
    with pytest.raises(ValueError, match=message):
        read_split(file, folder)


def test_no_file(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="`file` must be a split file, got '.*no.json'"):
        read_split(tmp_path / "no.json", folder)


def test_parts_with_an_image_in_common_are_not_written(folder, tmp_path):
    with pytest.raises(ValueError, match="`split` names the image 'cat/0.png' twice"):
        write_split(ImageSplit(folder, folder), tmp_path / "split.json")
