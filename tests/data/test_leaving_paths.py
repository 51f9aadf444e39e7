"""Files that list images: none may name what lies outside their folder."""

import json

import pytest
import torch
from PIL import Image

from instdisc.data import (
    CatalogImages,
    COCOObjects,
    ImageTable,
    LandmarkLayout,
    LandmarkTable,
    VOCObjects,
    VOCSegmentation,
    open_images,
)
from instdisc.data.images.listing import leaves_folder
from instdisc.data.images.name_lists import read_names

EYES = LandmarkLayout(("left", "right"), ((0, 1),), ((0,), (1,)))


@pytest.fixture
def root(tmp_path):
    """A folder of images, beside which lies another image."""
    for name in ("x.jpg", "set/a.jpg", "set/in/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6)).save(tmp_path / name)
    return tmp_path / "set"


def outside(root):
    return [
        "../x.jpg",
        "in/../../x.jpg",
        str(root.parent / "x.jpg"),
        r"..\x.jpg",
        r"in\..\..\x.jpg",
    ]


PATHS = range(5)


@pytest.mark.parametrize("which", PATHS)
def test_a_table(root, which):
    path = outside(root)[which]
    table = root / "pets.csv"
    table.write_text(f"image,label\na.jpg,cat\n{path},dog\n")
    match = r"line 3 of .*pets.csv names .*x.jpg', which leads out of .*set.*`root`"
    with pytest.raises(ValueError, match=match):
        ImageTable(None, table)
    with pytest.raises(ValueError, match=match):
        open_images(table, part="all")
    landmarks = root / "eyes.csv"
    landmarks.write_text(f"image,x0,y0,x1,y1\na.jpg,1,1,2,2\n{path},1,1,2,2\n")
    with pytest.raises(ValueError, match=r"line 3 of .*eyes.csv names .*x.jpg', which leads out"):
        LandmarkTable(None, landmarks, layout=EYES)


@pytest.mark.parametrize("which", PATHS)
def test_coco(root, which):
    path = outside(root)[which]
    content = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "height": 6, "width": 8},
            {"id": 7, "file_name": path},
        ],
        "annotations": [],
        "categories": [{"id": 1, "name": "cat"}],
    }
    file = root / "annotations.json"
    file.write_text(json.dumps(content))
    match = r"`file_name` must be a path below .*set, got .*x.jpg'. Correct image 7 in .*json"
    with pytest.raises(ValueError, match=match):
        COCOObjects(file, root)


def test_a_link_leads_where_its_maker_wants(root):
    (root / "c.jpg").symlink_to(root.parent / "x.jpg")
    table = root / "pets.csv"
    table.write_text("image,label\nin/../a.jpg,cat\nc.jpg,dog\n")
    assert torch.equal(ImageTable(None, table).labels, torch.tensor([0, 1]))


def test_lists_of_voc(root):
    names = root / "names.txt"
    names.write_text("a\n../../x\n")
    with pytest.raises(ValueError, match=r"line 2 of .*names.txt names '../../x', which is no"):
        read_names(names, ["a"])
    names.write_text("../set/a.jpg\n")  # what it means is known all the same
    assert read_names(names, ["a"]) == ["a"]
    base = root / "VOC2012"
    lists = base / "ImageSets" / "Segmentation"
    for folder in (lists, base / "JPEGImages", base / "SegmentationClass"):
        folder.mkdir(parents=True)
    (lists / "train.txt").write_text("../../../x\n")
    with pytest.raises(ValueError, match="line 1 of .*train.txt names"):
        VOCSegmentation(base)


def test_the_file_that_voc_names_only_chooses_among_those_there(root):
    for folder in ("Annotations", "JPEGImages"):
        (root / folder).mkdir()
    for name in ("a.jpg", "a.png"):
        Image.new("RGB", (8, 6)).save(root / "JPEGImages" / name)
    size = "<size><height>6</height><width>8</width></size>"
    (root / "Annotations" / "a.xml").write_text(
        f"<annotation><filename>../../x.jpg</filename>{size}</annotation>"
    )
    with pytest.raises(ValueError, match="must hold one image for .*a.xml"):
        VOCObjects(root, None)


@pytest.mark.parametrize("name", ["../x.jpg", "/x.jpg"])
def test_a_set_of_the_catalog(root, name):
    (root / "labels").mkdir()
    (root / "images").mkdir()
    (root / "labels.csv").write_text(f"Filename,Label\n{name},0\n")
    with pytest.raises(ValueError, match=r"names the image .*x.jpg', which is no path below"):
        CatalogImages("deepweeds", root, split="all")


def test_what_leaves():
    inside = ["a.jpg", "in/b.jpg", "in/../a.jpg", "./a.jpg", "..a.jpg", "a..jpg", "C.jpg"]
    assert not any(map(leaves_folder, inside))
    out = ["..", "../a.jpg", "/a.jpg", "//server/a.jpg", r"\\server\share\a.jpg", r"C:\a.jpg"]
    assert all(map(leaves_folder, [*out, "C:/a.jpg", "in/../../a.jpg", "./../a.jpg"]))
