"""Folders that are parts of a set are no classes."""

import pytest
from PIL import Image

from instdisc.data import ImageFiles, ImageFolder, ImageTable, ViewData, open_images


def make(root, *paths):
    for path in paths:
        (root / path).mkdir(parents=True, exist_ok=True)
        for number in range(4):
            Image.new("RGB", (8, 6)).save(root / path / f"{number}.png")


@pytest.mark.parametrize(
    "folders",
    [
        *(("train/cat", "train/dog", "test/cat"), ("train", "val"), ("Training/a", "Testing/a")),
        *(("train", "valid", "test"), ("TRAIN/a", "Validation/a"), ("train2017", "val2017")),
        *(("train_images", "test_images"), ("val", "test"), ("train", "unlabeled"), ("train/cat",)),
    ],
)
@pytest.mark.parametrize("open_folder", [ImageFolder, ViewData])
def test_parts_are_refused_and_the_folder_is_named(tmp_path, folders, open_folder):
    make(tmp_path, *folders)
    (tmp_path / "labels").mkdir()  # without an image
    first = sorted(folder.partition("/")[0] for folder in folders)[0]
    with pytest.raises(ValueError, match=rf"which holds {first}/.*Give one of them.*/{first}'"):
        open_folder(tmp_path)


def test_a_part_of_it_is_right(tmp_path):
    make(tmp_path, "train/cat", "train/dog", "val/cat", "val/dog")
    data = ViewData(tmp_path / "train", tmp_path / "val", image_size=32, batch_size=4)
    assert data.num_classes == 2
    assert len(open_images(tmp_path, part="train")) == 8


def test_a_class_may_be_called_like_a_part(tmp_path):
    make(tmp_path, "train", "boat", "car/test")
    assert ImageFolder(tmp_path).classes == ["boat", "car", "train"]
    make(tmp_path / "alone", "train")
    assert ImageFolder(tmp_path / "alone").classes == ["train"]
    make(tmp_path / "pills", "valid", "invalid")
    assert ImageFolder(tmp_path / "pills").classes == ["invalid", "valid"]


def test_who_insists_lists_the_images(tmp_path):
    make(tmp_path, "train", "test")
    table = tmp_path / "parts.csv"
    table.write_text("image,label\ntrain/0.png,train\ntest/0.png,test\n")
    images = ImageTable(None, table)
    assert images.classes == ["test", "train"]
    again = ImageFiles(tmp_path, list(images.paths), images.labels, classes=images.classes)
    assert len(again) == 2
