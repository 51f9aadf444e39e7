"""The layout of PASCAL VOC."""

import logging

import pytest
import torch

from instdisc.data import VOC_CLASSES, VOCObjects

CAT, DOG = ("cat", 3, 4, 20, 25, 0), ("dog", 1, 1, 40, 30, 1)


def test_boxes_flags_and_ids(write_voc):
    root = write_voc({"a": [CAT, DOG], "b": [], "c": [CAT]}, {"train": ["b", "a"], "test": ["c"]})
    train, test = VOCObjects(root, "train"), VOCObjects(root, "test")
    assert train.image_ids == ["b", "a"]
    assert train.classes == test.classes == ["cat", "dog"]
    assert train.category_ids == [1, 2]
    assert train.sizes.tolist() == [[30, 40], [30, 40]]
    assert train.has_objects.tolist() == [False, True]
    assert train.labels.tolist() == [-1, -1]
    found = train.objects(1)
    # The file's first pixel is 1, and its last one belongs to the box.
    assert found.boxes.tolist() == [[2, 3, 20, 25], [0, 0, 40, 30]]
    assert found.boxes.dtype == torch.float32
    assert found.labels.tolist() == [0, 1]
    assert found.difficult.tolist() == [False, True]
    assert found.crowd.tolist() == [False, False]
    assert found.masks is None
    assert train.areas(1).tolist() == [18 * 22, 40 * 30]
    assert train.read(1).shape == (3, 30, 40)


def test_an_image_without_objects_is_valid(write_voc):
    found = VOCObjects(write_voc({"a": [CAT], "b": []}, {}), None).objects(1)
    assert found.boxes.shape == (0, 4)
    assert found.labels.shape == found.difficult.shape == found.crowd.shape == (0,)


def test_the_classes_of_voc_in_a_folder_of_voc(write_voc):
    root = write_voc({"000001": [CAT]}, {"trainval": ["000001"]}, "VOC2007")
    objects = VOCObjects(root)
    assert objects.classes == list(VOC_CLASSES)
    assert objects.category_ids == list(range(1, 21))
    assert objects.objects(0).labels.tolist() == [VOC_CLASSES.index("cat")]


def test_boxes_counted_from_zero_are_taken_as_they_are(write_voc):
    root = write_voc({"a": [("cat", 0, 4, 40, 25, 0)]}, {})
    assert VOCObjects(root, None, one_based=False).objects(0).boxes.tolist() == [[0, 4, 40, 25]]
    assert VOCObjects(root, None).objects(0).boxes.tolist() == [[0, 4, 40, 25]]
    assert VOCObjects(root, None, one_based=True).objects(0).boxes.tolist() == [[0, 3, 40, 25]]


def test_boxes_without_area_are_counted_and_named_in_one_line(write_voc, caplog):
    things = {"a": [("cat", 5, 5, 5, 9, 0), CAT], "b": [("cat", 6, 6, 6, 6, 0)]}
    with caplog.at_level(logging.WARNING):
        objects = VOCObjects(write_voc(things, {}), None)
    (line,) = caplog.messages
    assert line.startswith("set: left out 2 objects without area, first: image a (4, 4, 5, 9) of ")
    assert line.endswith("Annotations/a.xml")
    assert objects.objects(0).boxes.tolist() == [[2, 3, 20, 25]]
    assert objects.has_objects.tolist() == [True, False]


def test_a_box_that_reaches_beyond_its_image_is_kept_and_named(write_voc, caplog):
    with caplog.at_level(logging.WARNING):
        objects = VOCObjects(write_voc({"a": [("cat", 11, 1, 50, 30, 0)]}, {}), None)
    assert "1 boxes reach beyond their image" in caplog.text
    assert "image a (10, 0, 50, 30)" in caplog.text
    assert objects.objects(0).boxes.tolist() == [[10, 0, 50, 30]]


def test_a_size_that_the_file_does_not_give_comes_from_the_image(write_voc):
    root = write_voc({"a": [CAT]}, {})
    file = root / "Annotations" / "a.xml"
    file.write_text(file.read_text().replace("<width>40", "<width>0"))
    assert VOCObjects(root, None).sizes.tolist() == [[30, 40]]


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (("cat", 20, 4, 3, 25, 0), "left before its right .* 1 of 1 do not, first: image a"),
        (("cat", 3, 25, 20, 4, 0), "top above its bottom"),
        (("cat", 41, 1, 50, 9, 0), "must lie in its image; 1 of 1 do not, first: image a "),
        (("cat", 1, 31, 9, 40, 0), r"\(0, 30, 9, 40\) of 40 x 30 pixels"),
        (("cat", "nan", 1, 9, 40, 0), "must be finite"),
        (("cat", "x", 1, 9, 40, 0), "a.xml is not .* <xmin> of 'cat' must be a number"),
        (("", 1, 1, 9, 40, 0), "must have one <name> and one <bndbox>.* no text in <name>"),
    ],
)
def test_impossible_boxes(write_voc, thing, message):
    with pytest.raises(ValueError, match=message):
        VOCObjects(write_voc({"a": [thing]}, {}), None)


def test_an_unknown_name(write_voc):
    root = write_voc({"a": [CAT, DOG]}, {})
    with pytest.raises(ValueError, match="one of the 1 `classes`; 'dog' in a.xml is not"):
        VOCObjects(root, None, classes=["cat"])


def test_missing_files(write_voc):
    root = write_voc({"a": [CAT], "b": [CAT]}, {"train": ["a", "c"], "val": ["b"]})
    with pytest.raises(FileNotFoundError, match="`root` must be the folder with Annotations/"):
        VOCObjects(root / "nowhere")
    with pytest.raises(ValueError, match=r"got 'trainval'; found train.txt, val.txt"):
        VOCObjects(root)
    with pytest.raises(ValueError, match="there is no annotation .*c.xml, which the split names"):
        VOCObjects(root, "train")
    (root / "JPEGImages" / "b.jpg").unlink()
    with pytest.raises(ValueError, match="1 of the 1 annotated images of 'set' are not in .* 'b'"):
        VOCObjects(root, "val")
    (root / "ImageSets" / "Main" / "none.txt").write_text("\n")
    with pytest.raises(ValueError, match="none.txt must name at least one image"):
        VOCObjects(root, "none")


def test_broken_xml(write_voc):
    root = write_voc({"a": [CAT]}, {})
    (root / "Annotations" / "a.xml").write_text("<annotation>")
    with pytest.raises(ValueError, match="a.xml is not an annotation in VOC's format"):
        VOCObjects(root, None)


def test_an_image_of_another_size_than_annotated(write_voc):
    root = write_voc({"a": [CAT]}, {})
    file = root / "Annotations" / "a.xml"
    file.write_text(file.read_text().replace("<width>40", "<width>80"))
    with pytest.raises(
        ValueError, match="a.jpg has 40 x 30 pixels and its annotation says 80 x 30"
    ):
        VOCObjects(root, None).read(0)
