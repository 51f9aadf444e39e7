"""What a command line says becomes images."""

import pytest
import torch
from PIL import Image

from instdisc.data import (
    CATALOG,
    CatalogImages,
    HeldOut,
    ImageFolder,
    ViewData,
    image_names,
    join_folders,
    open_images,
    open_path,
    split_per_class,
)
from instdisc.data.layout import kinds_of, locate
from instdisc.data.opening import LAYOUTS

PARTS = ("all", "train", "test")


def make(root, classes, count=10):
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", (8, 6)).save(root / name / f"{number}.png")


def opened(name, root=None):
    return [open_images(name, root, part=part) for part in PARTS]


def test_layouts_of_a_place_by_their_former_name():
    place = locate("eurosat", None, LAYOUTS)
    with pytest.warns(FutureWarning, match="`Place.known` is called `layouts` now"):
        assert place.known is place.layouts
    assert [layout.name for layout in place.layouts] == ["eurosat"]


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


def test_names_by_what_was_written(tmp_path):
    for version, count in (("v1", 10), ("v2", 20)):
        make(tmp_path / f"pets.{version}", ["cat", "dog"], count)
        images = open_images(f"pets.{version}", tmp_path, part="all")
        assert (images.name, len(images)) == (f"pets.{version}", 2 * count)
    for part in PARTS:
        assert open_images(f"mine={tmp_path / 'pets.v1'}", part=part).name == "mine"
        assert open_images("mine=pets.v1", tmp_path, part=part).name == "mine"
    (tmp_path / "a=b").mkdir()
    make(tmp_path / "a=b", ["cat", "dog"])
    assert open_images("a=b", tmp_path, part="all").name == "a=b"


def test_a_drawn_split_is_said_once(tmp_path, caplog):
    make(tmp_path / "pets", ["cat", "dog"])
    opened(tmp_path / "pets")
    opened(tmp_path / "pets")
    assert len(caplog.messages) == 1
    assert "says nothing of a split: by seed 0, 14 of its images are to train on" in caplog.text


def test_rows_of_no_part_are_said(tmp_path, caplog):
    make(tmp_path, ["cat", "dog"], 3)
    parts = ("train", "test", "extra")
    rows = [f"{c}/{i}.png,{c},{parts[i]}" for c in ("cat", "dog") for i in range(3)]
    (tmp_path / "pets.csv").write_text("\n".join(["image,label,split", *rows]))
    assert [len(images) for images in opened(tmp_path / "pets.csv")][-2:] == [2, 2]
    (line,) = caplog.messages  # once for all parts
    assert "pets.csv: 2 rows are neither to train on" in line
    assert line.endswith("first: line 4, 'extra'")


def test_folders_beside_the_parts_are_said(tmp_path, caplog):
    for part in ("train", "val", "test", "more"):
        make(tmp_path / "pets" / part, ["cat", "dog"], 2)
    assert [len(images) for images in opened(tmp_path / "pets")] == [8, 4, 4]
    assert len(caplog.messages) == 1
    assert "pets: 2 folders are neither" in caplog.text
    assert "are left out, first: more/" in caplog.text


@pytest.mark.parametrize(
    "folder",
    ["cat", "train/cat", "cat/young", "with_mask", "labels", "flowers/.hidden"],
)
def test_folders_of_images(folder, tmp_path):
    make(tmp_path / "set", [folder, "dog"], 2)
    assert kinds_of("set", tmp_path, LAYOUTS) == ["images"]


@pytest.mark.parametrize(
    "sign",
    [
        "Annotations/1.xml",
        "PedMasks/1_mask.png",
        "annotations/instances_train2017.json",
        "train/_annotations.coco.json",
        "masks/1.png",
        "masks/train/1.png",
        "train/masks/1.png",
        "trainannot/1.png",
        "images/1.png",
        "train_keypoints.csv",
    ],
)
def test_folders_of_other_kinds(sign, tmp_path):
    make(tmp_path / "set", ["cat", "train", "dog"], 2)
    (tmp_path / "set" / sign).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "set" / sign).touch()
    assert kinds_of("set", tmp_path, LAYOUTS) == []
    with pytest.raises(ValueError, match="set lies in no layout that is known here: a table"):
        open_images("set", tmp_path, part="all")


def test_what_systems_leave_is_no_sign(tmp_path):
    make(tmp_path / "set", ["cat", "dog"], 2)
    make(tmp_path / "set" / "__MACOSX", ["masks"], 2)
    (tmp_path / "set" / "._train_keypoints.csv").touch()
    assert kinds_of("set", tmp_path, LAYOUTS) == ["images"]
    assert len(open_images("set", tmp_path, part="all")) == 4


def test_kinds_by_name(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "pets.csv").write_text("image,label\n")
    (tmp_path / "faces.csv").write_text("image,x0,y0\n")
    names = ("eurosat", "eurosat=/data/e", "pets.csv", "faces.csv", "empty", "none")
    found = [kinds_of(name, tmp_path, LAYOUTS) for name in names]
    assert found == [["images"], ["images"], ["images"], [], [], ["images"]]


@pytest.mark.parametrize("names", [("Train", "Test"), ("training", "val")])
def test_parts_by_other_words(names, tmp_path):
    make(tmp_path / "pets", ["cat", "dog"])
    rows = [f"pets/{name}/{i}.png,{name}" for name in ("cat", "dog") for i in range(10)]
    rows = [f"{row},{names[i % 4 == 0]}" for i, row in enumerate(rows)]
    (tmp_path / "table.csv").write_text("\n".join(["image,label,split", *rows]))
    assert [len(images) for images in opened("table.csv", tmp_path)] == [20, 15, 5]
    (tmp_path / "table.csv").write_text("\n".join(["image,label,split", *rows[1:4]]))
    with pytest.raises(ValueError, match="the column 'split' of .* must name 'test'"):
        open_images("table.csv", tmp_path, part="test")


def write_formats(root):
    """The same 20 images in each format, in parts and as a whole."""
    datasets = pytest.importorskip("datasets")
    database = pytest.importorskip("lmdb")
    datasets.disable_progress_bars()
    make(root / "files", ["cat", "dog"])
    images = ImageFolder(root / "files", index=False)
    rows = {
        "image": [{"bytes": images.encoded(row), "path": None} for row in range(20)],
        "label": images.labels.tolist(),
    }
    columns = {"image": datasets.Image(), "label": datasets.ClassLabel(names=images.classes)}
    whole = datasets.Dataset.from_dict(rows, datasets.Features(columns))
    test = [0, 1, 2, 10, 11]
    train = [row for row in range(20) if row not in test]
    parts = {"train": whole.select(train), "test": whole.select(test)}
    whole.save_to_disk(root / "arrow")
    datasets.DatasetDict(parts).save_to_disk(root / "arrow_parts")
    (root / "parquet_parts").mkdir()
    whole.to_parquet(root / "whole.parquet")
    for name in ("train", "test"):
        parts[name].to_parquet(root / "parquet_parts" / f"{name}-00000-of-00001.parquet")
    names = list(images.paths)
    for place, chosen in (
        ("images.lmdb", range(20)),
        ("lmdb_parts/train.lmdb", train),
        ("lmdb_parts/val.lmdb", [0, 1, 10]),
    ):
        (root / place).mkdir(parents=True)
        with (
            database.open(str(root / place)) as environment,
            environment.begin(write=True) as writing,
        ):
            for row in chosen:
                writing.put(names[row].encode(), images.encoded(row))
    return images


def test_other_formats(tmp_path):
    images = write_formats(tmp_path)
    expected = [part.fingerprint() for part in opened("files", tmp_path)]
    for name in ("arrow", "whole.parquet", "images.lmdb"):
        assert [part.fingerprint() for part in opened(name, tmp_path)] == expected
        assert open_path(tmp_path / name).fingerprint() == images.fingerprint()
        (every, *_) = opened(f"mine={name}", tmp_path)
        assert every.name == "mine"
    for name, sizes in (
        ("arrow_parts", (20, 15, 5)),
        ("parquet_parts", (20, 15, 5)),
        ("lmdb_parts", (18, 15, 3)),
    ):
        every, *_ = parts = opened(name, tmp_path)
        assert tuple(map(len, parts)) == sizes
        assert image_names(every)[0].startswith("train/")
        assert {part.name for part in parts} == {name}
        assert kinds_of(name, tmp_path, LAYOUTS) == ["images"]
        sizes = dict(zip(("all", "train", "test"), sizes, strict=True))
        for part, size in sizes.items():
            images = open_path(f"{tmp_path / name}@{part}", on_unreadable="skip")
            assert (len(images), images.name, images.on_unreadable) == (size, name, "skip")
        assert len(open_path(tmp_path / name)) == sizes["train"]


def test_the_data_module_and_subsets_open_them(tmp_path):
    images = write_formats(tmp_path)
    data = ViewData(tmp_path / "arrow", tmp_path / "whole.parquet", image_size=32, batch_size=4)
    assert data.images.fingerprint() == data.test_images.fingerprint() == images.fingerprint()
    assert len(HeldOut(tmp_path / "images.lmdb", "test", share=0.2)) == 4
