"""ImageNet, a tenth of it, 100 classes of it."""

import os

import pytest
import torch

from instdisc.data import CatalogImages, ImageFolder
from instdisc.data.catalog.imagenet import imagenet100_classes


def names(images: CatalogImages) -> list[str]:
    """File names, by way of the subsets that the entry is made of."""
    source, positions = images.images, torch.arange(len(images))
    while hasattr(source, "positions"):
        source, positions = source.images, source.positions[positions]
    return [source.path(int(position)).name for position in positions]


def test_whole(replica):
    root = replica("imagenet")
    train, val = CatalogImages("imagenet", root), CatalogImages("imagenet", root, split="val")
    assert len(train.classes) == 1000
    assert train.classes == val.classes == sorted(train.classes)
    assert len(train) == 334 * 16 + 666 * 7
    assert len(val) == 1000
    assert torch.equal(train.labels, ImageFolder(root / "train").labels)
    assert not set(names(train)) & set(names(val))


def test_tenth_is_stratified_and_the_same_each_time(replica):
    root = replica("imagenet")
    tenth = CatalogImages("imagenet10pct", root)
    assert tenth.labels.bincount().tolist() == [1 if index % 3 else 2 for index in range(1000)]
    assert len(tenth.classes) == 1000
    chosen = names(tenth)
    assert chosen == names(CatalogImages("imagenet10pct", root))
    assert len(set(chosen)) == 1334
    assert set(chosen) < set(names(CatalogImages("imagenet", root)))
    # Not always the first image of a class.
    assert len({name.partition("_")[2] for name in chosen}) > 5
    assert len(CatalogImages("imagenet10pct", root, split="val")) == 1000


def test_simclr_list(replica):
    images = CatalogImages("imagenet10pct", replica("imagenet"), split="train_simclr")
    assert all(name.endswith("_3.JPEG") for name in names(images))
    assert images.labels.tolist() == list(range(1000))
    assert [name.partition("_")[0] for name in names(images)] == images.classes


def test_hundred_classes(replica):
    root = replica("imagenet")
    images = CatalogImages("imagenet100", root)
    assert images.classes == imagenet100_classes()
    whole = CatalogImages("imagenet", root)
    wanted = [name for name in names(whole) if name.partition("_")[0] in set(images.classes)]
    assert names(images) == wanted
    for name, label in zip(names(images), images.labels.tolist(), strict=True):
        assert images.classes[label] == name.partition("_")[0]
    assert len(CatalogImages("imagenet100", root, split="val")) == 100


def test_hundred_class_folders_suffice(replica, tmp_path):
    for wnid in imagenet100_classes():
        folder = tmp_path / "train" / wnid
        folder.mkdir(parents=True)
        os.link(replica("imagenet") / "train" / wnid / f"{wnid}_0.JPEG", folder / "0.JPEG")
    assert CatalogImages("imagenet100", tmp_path).labels.tolist() == list(range(100))


def test_class_list():
    classes = imagenet100_classes()
    assert len(set(classes)) == 100
    assert {"n02869837", "n02090622"} < set(classes)  # the first and the last of the source


def test_flat_val_is_told_how_to_sort(tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"")
    with pytest.raises(
        ValueError,
        match=r"val/ holds 0 class folders instead of 1000 \(ILSVRC2012_val_00000001.JPEG\)"
        r"(.|\n)*torchvision.datasets.ImageNet",
    ):
        CatalogImages("imagenet", tmp_path, split="val")


def test_folders_named_otherwise(replica, tmp_path):
    for wnid in sorted(os.listdir(replica("imagenet") / "val"))[1:]:
        (tmp_path / "val" / wnid).mkdir(parents=True)
    (tmp_path / "val" / "tench").mkdir()
    with pytest.raises(ValueError, match="the class folder val/tench/ is not named by a wnid"):
        CatalogImages("imagenet", tmp_path, split="val")


def test_missing_classes_of_the_hundred(tmp_path):
    for wnid in imagenet100_classes()[2:]:
        (tmp_path / "train" / wnid).mkdir(parents=True)
    message = f"2 of the 100 class folders are missing from train/, {imagenet100_classes()[0]}"
    with pytest.raises(ValueError, match=message):
        CatalogImages("imagenet100", tmp_path)


def test_simclr_list_missing_or_wrong(replica, tmp_path):
    (tmp_path / "train").symlink_to(replica("imagenet") / "train")
    with pytest.raises(ValueError, match="there is no file 10percent.txt"):
        CatalogImages("imagenet10pct", tmp_path, split="train_simclr")
    (tmp_path / "10percent.txt").write_text("n99999999_1.JPEG\n\nn02869837_0.JPEG\n")
    with pytest.raises(ValueError, match="1 of the images that 10percent.txt .* n99999999/n999"):
        CatalogImages("imagenet10pct", tmp_path, split="train_simclr")
    (tmp_path / "10percent.txt").write_text("n02869837_0.JPEG 7\n")
    with pytest.raises(ValueError, match="line 1 of 10percent.txt has 2 columns instead of 1"):
        CatalogImages("imagenet10pct", tmp_path, split="train_simclr")
