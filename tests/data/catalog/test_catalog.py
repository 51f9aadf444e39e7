"""Every entry reads its split from a replica, and says what is wrong with a folder."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from instdisc.data import CATALOG, TRANSFER_SETS, CatalogImages, ImageSource, ViewData

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "data_sets.md").read_text(encoding="utf-8")
SPLITS = [(name, split) for name, entry in CATALOG.items() for split in entry.splits]


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_every_split_is_read(name, split, replica):
    images = CatalogImages(name, replica(name), split=split)
    assert isinstance(images, ImageSource)
    assert (images.name, images.split, images.entry) == (name, split, CATALOG[name])
    assert len(images) > 0
    assert images.labels.dtype == torch.int64
    if CATALOG[name].num_classes:
        assert 0 <= int(images.labels.min()) <= int(images.labels.max()) < len(images.classes)
        assert all(isinstance(name, str) for name in images.classes)
    else:
        assert images.classes == []
        assert (images.labels == -1).all()
    position, image = images.fetch(len(images) - 1)
    assert position == len(images) - 1
    assert image.dtype == torch.uint8
    assert image.shape in ((3, 6, 8), (3, 32, 32))
    assert torch.equal(image, images.images.read(position))
    again = CatalogImages(name, str(replica(name)), split=split)
    assert torch.equal(again.labels, images.labels)
    assert list(again.classes) == list(images.classes)


@pytest.mark.parametrize("name", CATALOG)
def test_entry_is_complete(name):
    entry = CATALOG[name]
    assert entry.name == name
    assert entry.splits[0] == "train"
    assert entry.url.startswith("http")
    assert set(entry.sizes) <= set(entry.splits)
    assert set(entry.transfer) <= {"train", "test", "all"}
    assert set(entry.transfer.values()) <= set(entry.splits)
    for text in (entry.title, entry.terms, entry.labels, entry.layout, entry.choices):
        assert text.strip() == text != ""


@pytest.mark.parametrize("name", CATALOG)
def test_page_says_what_the_entry_says(name):
    entry = CATALOG[name]
    section = PAGE.partition(f"\n### {name}\n")[2].partition("\n#")[0]
    assert f"```text\n{entry.layout}\n```" in section
    assert entry.choices in " ".join(section.split())
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    for said in (entry.title, entry.url, entry.labels, entry.terms, *entry.splits):
        assert said in row


@pytest.mark.parametrize("name", CATALOG)
def test_empty_folder_is_told_what_belongs_there(name, tmp_path):
    message = f"does not hold {re.escape(CATALOG[name].title)} as the split 'train' needs it: "
    with pytest.raises(ValueError, match=message) as raised:
        CatalogImages(name, tmp_path)
    said = str(raised.value)
    assert CATALOG[name].layout in said
    assert CATALOG[name].url in said
    assert "Found: nothing" in said


def test_another_layout_is_told_what_was_found(tmp_path):
    for number in range(12):
        (tmp_path / f"class{number:02d}").mkdir()
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(
        ValueError, match=r"there is no folder train/(.|\n)*Found: a.txt, class00/, .*13 in all"
    ):
        CatalogImages("imagenet", tmp_path)


def test_unknown_names(replica, tmp_path):
    with pytest.raises(ValueError, match="`name` must be one of imagenet, .*, got 'imagenot'"):
        CatalogImages("imagenot", tmp_path)
    with pytest.raises(ValueError, match="`split` of 'coco' must be one of train, val, got 'dev'"):
        CatalogImages("coco", replica("coco"), split="dev")
    with pytest.raises(ValueError, match="`on_unreadable` must be one of 'raise', 'skip', got"):
        CatalogImages("coco", replica("coco"), on_unreadable="halt")
    with pytest.raises(FileNotFoundError, match=r"the folder of CelebA.*/no/such.*mmlab"):
        CatalogImages("celeba", "/no/such")


def test_unreadable_image_is_skipped_if_asked(spoiled):
    root = spoiled("coco")
    broken = root / "train2017" / "000000000007.jpg"
    broken.unlink()
    broken.write_bytes(b"no image")
    with pytest.raises(ValueError, match="000000000007.jpg"):
        CatalogImages("coco", root).fetch(0)
    position, image = CatalogImages("coco", root, on_unreadable="skip").fetch(0)
    assert position == 1
    assert int(image[0, 0, 0]) == 9


def test_views_come_of_it(replica):
    data = ViewData(
        CatalogImages("celeba", replica("celeba")),
        CatalogImages("celeba", replica("celeba"), split="valid"),
        image_size=16,
        batch_size=2,
    )
    assert data.num_classes == 3
    assert len(data.train_dataloader()) == 2


def test_image_is_what_the_file_holds(replica):
    images = CatalogImages("synthia", replica("synthia"))
    path = replica("synthia") / "RAND_CITYSCAPES" / "RGB" / "0000002.png"
    with Image.open(path) as image:
        assert images.read(2)[:, 0, 0].tolist() == list(image.getpixel((0, 0)))


def test_number_of_classes(replica):
    for name in (*TRANSFER_SETS, "mini_imagenet", "tiered_imagenet", "cifar10", "cifar100"):
        for split in CATALOG[name].splits[:1]:
            images = CatalogImages(name, replica(name), split=split)
            assert len(images.classes) == CATALOG[name].num_classes


def test_incomplete_set_is_logged(replica, caplog):
    CatalogImages("eurosat", replica("eurosat"), split="test")
    assert "holds 30 images of 'eurosat' for the split 'test', officially there" in caplog.text
    assert "8100: results on them are not comparable" in caplog.text
    caplog.clear()
    CatalogImages("coco", replica("coco"))
    assert not caplog.text
