"""What a command line says becomes images."""

import pytest
import torch
from PIL import Image

from instdisc.data import (
    CATALOG,
    CatalogImages,
    ImageFolder,
    image_names,
    join_folders,
    open_images,
    split_per_class,
)

PARTS = ("all", "train", "test")


def make(root, classes, count=10):
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", (8, 6)).save(root / name / f"{number}.png")


def opened(name, root=None):
    return [open_images(name, root, part=part) for part in PARTS]


def test_name_of_the_catalog(tmp_path):
    crops = [f"Crop{index}" for index in range(10)]
    make(tmp_path / "eurosat" / "2750", crops)
    for name, root in (("eurosat", tmp_path), (f"eurosat={tmp_path / 'eurosat'}", None)):
        every, train, test = opened(name, root)
        assert (len(every), len(train), len(test)) == (100, 70, 30)
        assert {images.name for images in (every, train, test)} == {"eurosat"}
        assert isinstance(train, CatalogImages)


def test_sets_that_share_a_folder(tmp_path):
    make(tmp_path / "omniglot" / "images_background", ["Greek/character01", "Greek/character02"])
    assert len(open_images("omniglot_background", tmp_path, part="train")) == 14
    assert {CATALOG[name].folder for name in CATALOG} == {
        "",
        "imagenet",
        "coco",
        "synthia",
        "omniglot",
    }


def test_folder_without_a_split(tmp_path):
    make(tmp_path / "pets", ["cat", "dog"])
    every, train, test = opened("pets", tmp_path)
    assert every.name == train.name == test.name == "pets"
    expected = split_per_class(ImageFolder(tmp_path / "pets"))
    assert torch.equal(train.positions, expected.train.positions)
    assert torch.equal(test.positions, expected.test.positions)
    assert len(open_images(tmp_path / "pets", part="all")) == 20
    assert len(open_images(tmp_path / "pets", "/no/such", part="all")) == 20


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "Testing"), ("train", "val")])
def test_folder_with_a_split(names, tmp_path):
    make(tmp_path / "pets" / names[0], ["cat", "dog"], 3)
    make(tmp_path / "pets" / names[1], ["cat", "dog"], 2)
    every, train, test = opened(str(tmp_path / "pets"))
    assert [len(images) for images in (every, train, test)] == [10, 6, 4]
    assert image_names(every) == image_names(train) + image_names(test)
    assert image_names(test)[0] == f"{names[1]}/cat/0.png"
    assert train.name == "pets"
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_table(tmp_path):
    make(tmp_path / "pets", ["cat", "dog"])
    rows = [f"pets/{name}/{i}.png,{name}" for name in ("cat", "dog") for i in range(10)]
    (tmp_path / "table.csv").write_text("\n".join(["image,label", *rows]))
    every, train, test = opened("table.csv", tmp_path)
    assert [len(images) for images in (every, train, test)] == [20, 14, 6]
    assert train.name == "table"
    rows = [f"{row},{'train' if i % 4 else 'test'}" for i, row in enumerate(rows)]
    (tmp_path / "table.csv").write_text("\n".join(["image,label,split", *rows]))
    every, train, test = opened(tmp_path / "table.csv")
    assert [len(images) for images in (every, train, test)] == [20, 15, 5]


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("pets", "val", "`part` must be one of 'all', 'train', 'test', got 'val'"),
        (
            "mini_imagenet",
            "train",
            "`part` 'train' is not there for 'mini_imagenet', which has 'all'",
        ),
        (
            "synthia",
            "all",
            "of transfer tasks, got 'synthia'. .* is for pretraining",
        ),
        ("flat", "train", "4 of the 4 images of 'flat' have no label"),
        ("lone", "all", "all 10 images of 'lone' are of one class, 'cat'"),
        ("lone", "train", "all 10 images of 'lone' are of one class, 'cat'"),
        ("few", "train", "the class 'cat' of 'few' has 1 images, too few"),
        ("apart", "train", "must have the same class folders; 'cow' is only in one of them"),
    ],
)
def test_bad_input(name, part, message, tmp_path):
    make(tmp_path / "lone", ["cat"])
    make(tmp_path, ["flat"], 4)
    make(tmp_path / "few", ["cat", "dog"], 1)
    make(tmp_path / "apart" / "train", ["cat", "dog"], 2)
    make(tmp_path / "apart" / "test", ["cat", "dog", "cow"], 2)
    with pytest.raises(ValueError, match=message):
        open_images(name, tmp_path, part=part)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="or a file or one of .*eurosat.*, got 'pets'"):
        open_images("pets", tmp_path, part="all")
    with pytest.raises(FileNotFoundError, match=r"the folder of EuroSAT \(RGB\), got '.*eurosat'"):
        open_images("eurosat", tmp_path, part="all")


def test_joined_folders(tmp_path):
    make(tmp_path / "a", ["cat", "dog"], 2)
    make(tmp_path / "b", ["cat", "dog"], 1)
    both = join_folders(tmp_path, ["b", "a"])
    assert both.labels.tolist() == [0, 1, 0, 0, 1, 1]
    assert both.paths[0] == "b/cat/0.png"
    assert both.read(5).shape == (3, 6, 8)
