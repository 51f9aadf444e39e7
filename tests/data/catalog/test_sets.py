"""Places365, CelebA, COCO, SYNTHIA: labels, splits, and what may be missing."""

import json

import pytest
from PIL import Image

from instdisc.data import CATALOG, CatalogImages


def greys(images: CatalogImages) -> list[int]:
    """The replicas' images tell their number by their grey."""
    return [round(float(images.read(index).float().mean())) for index in range(len(images))]


def replace_text(path, text):
    path.unlink()  # a link to the replica
    path.write_text(text)


# Places365


def test_places(replica):
    train = CatalogImages("places365", replica("places365"))
    val = CatalogImages("places365", replica("places365"), split="val")
    assert train.classes == val.classes
    assert train.classes[:2] == ["scene000-indoor", "scene001-indoor"]
    assert train.labels.bincount().tolist() == [2] * 365
    assert val.labels.bincount().tolist() == [1] * 365


def test_places_of_205_classes(tmp_path):
    for index in range(205):
        (tmp_path / "train" / f"scene{index}").mkdir(parents=True)
    with pytest.raises(ValueError, match="train/ holds 205 class folders instead of 365"):
        CatalogImages("places365", tmp_path)


# CelebA


@pytest.mark.parametrize(
    ("split", "faces", "people"),
    [
        ("train", [1, 2, 3, 4], ["9", "10", "9", "2"]),
        ("valid", [5], ["10"]),
        ("test", [6], ["2"]),
        ("all", [1, 2, 3, 4, 5, 6], ["9", "10", "9", "2", "10", "2"]),
        ("train_without_mafl_test", [1, 3, 4], ["9", "9", "2"]),
        ("all_without_mafl_test", [1, 3, 4, 5, 6], ["9", "9", "2", "10", "2"]),
    ],
)
def test_celeba(split, faces, people, replica):
    for root in (replica("celeba"), replica("celeba") / "celeba"):
        images = CatalogImages("celeba", root, split=split)
        assert [grey / 10 for grey in greys(images)] == pytest.approx(faces, abs=0.2)
        assert images.classes == ["2", "9", "10"]
        assert [images.classes[label] for label in images.labels.tolist()] == people


@pytest.mark.parametrize(
    ("file", "text", "split", "message"),
    [
        ("identity_CelebA.txt", None, "train", "there is no file identity_CelebA.txt"),
        ("list_eval_partition.txt", None, "train", "there is no file list_eval_partition.txt"),
        ("MAFL/testing.txt", None, "train_without_mafl_test", "there is no file MAFL/testing.txt"),
        ("MAFL/testing.txt", "9.jpg\n", "all_without_mafl_test", "it names 9.jpg"),
        ("MAFL/testing.txt", "", "all_without_mafl_test", "it names none"),
        ("identity_CelebA.txt", "000001.jpg 9\n", "train", "5 images of list_eval.*000002.jpg"),
        ("identity_CelebA.txt", "000001.jpg\n", "train", "line 1 of identity.* 1 columns"),
        ("img_align_celeba/000003.jpg", None, "train", "1 of the images .*000003.jpg first"),
    ],
)
def test_celeba_incomplete(file, text, split, message, spoiled):
    root = spoiled("celeba")
    (root / "celeba" / file).unlink()
    if text is not None:
        (root / "celeba" / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        CatalogImages("celeba", root, split=split)


def test_celeba_without_mafl_needs_no_mafl(spoiled):
    root = spoiled("celeba")
    (root / "celeba" / "MAFL" / "testing.txt").unlink()
    assert len(CatalogImages("celeba", root)) == 4


# COCO


def test_coco_as_images(replica):
    images = CatalogImages("coco", replica("coco"))
    assert greys(images) == [7, 9, 40, 300 % 256]
    assert images.labels.tolist() == [-1] * 4


@pytest.mark.parametrize("split", ["train", "val"])
def test_coco_largest_box(split, replica):
    images = CatalogImages("coco_largest_box", replica("coco"), split=split)
    assert images.classes == ["cat", "dog", "toothbrush"]  # by id
    # The crowds do not count; of two equal boxes the first does; two images have no box.
    assert greys(images) == [40, 300 % 256]
    assert [images.classes[label] for label in images.labels.tolist()] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "there is no file annotations/instances_train2017.json"),
        ("{", "annotations/instances_train2017.json is not JSON"),
        ({"categories": None}, "is not COCO's: TypeError"),
        ({"images": [{"id": 1}]}, "is not COCO's: KeyError.*file_name"),
        ({"images": [{"id": 7, "file_name": "7.jpg"}]}, "is not COCO's: KeyError"),
        ({"annotations": []}, "has no box"),
    ],
)
def test_coco_annotations_missing_or_wrong(change, message, spoiled):
    root = spoiled("coco")
    file = root / "annotations" / "instances_train2017.json"
    content = json.loads(file.read_text())
    file.unlink()
    if change is not None:
        file.write_text(change if isinstance(change, str) else json.dumps({**content, **change}))
    with pytest.raises(ValueError, match=message):
        CatalogImages("coco_largest_box", root)
    assert len(CatalogImages("coco", root)) == 4


def test_coco_image_missing(spoiled):
    root = spoiled("coco")
    (root / "train2017" / "000000000040.jpg").unlink()
    with pytest.raises(ValueError, match="1 of the images that annotations/.* 000000000040.jpg"):
        CatalogImages("coco_largest_box", root)


@pytest.mark.parametrize(
    ("name", "place"), [("coco", "train2017"), ("synthia", "RAND_CITYSCAPES/RGB")]
)
def test_folder_of_folders_instead_of_images(name, place, tmp_path):
    (tmp_path / place / "cat").mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(tmp_path / place / "cat" / "1.png")
    with pytest.raises(ValueError, match="holds folders, cat/ first"):
        CatalogImages(name, tmp_path)


# SYNTHIA


def test_synthia_as_images(replica):
    for root in (replica("synthia"), replica("synthia") / "RAND_CITYSCAPES"):
        images = CatalogImages("synthia", root)
        assert greys(images) == [0, 10, 20]
        assert images.labels.tolist() == [-1] * 3


def test_synthia_largest_object(replica):
    images = CatalogImages("synthia_largest_object", replica("synthia"))
    assert len(images.classes) == CATALOG["synthia_largest_object"].num_classes == 11
    assert greys(images) == [0, 20]
    assert [images.classes[label] for label in images.labels.tolist()] == ["car", "train"]


def test_synthia_masks_missing_or_wrong(spoiled):
    root = spoiled("synthia")
    masks = root / "RAND_CITYSCAPES" / "GT" / "LABELS"
    first = masks / "0000000.png"
    first.unlink()
    with pytest.raises(ValueError, match=r"1 of the images that RGB/ names .* LABELS/, 0000000"):
        CatalogImages("synthia_largest_object", root)
    first.write_bytes(b"no image")
    with pytest.raises(ValueError, match="cannot read the mask .*0000000.png"):
        CatalogImages("synthia_largest_object", root)
    first.unlink()
    Image.new("RGB", (8, 6), (128, 64, 128)).save(first)  # the mask in colours
    with pytest.raises(ValueError, match="0000000.png has the unknown class 128"):
        CatalogImages("synthia_largest_object", root)
    for mask in masks.iterdir():
        mask.unlink()
        Image.new("RGB", (8, 6), (3, 0, 0)).save(mask)
    with pytest.raises(ValueError, match="no mask in GT/LABELS/ has an object"):
        CatalogImages("synthia_largest_object", root)
    for mask in masks.iterdir():
        mask.unlink()
    masks.rmdir()
    with pytest.raises(ValueError, match="there is no folder GT/LABELS/"):
        CatalogImages("synthia_largest_object", root)
    assert len(CatalogImages("synthia", root)) == 3
