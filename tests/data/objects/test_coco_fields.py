"""Fields of COCO's files as tools write them."""

import codecs
import json
import logging

import pytest
from PIL import Image

from instdisc.data import COCOObjects

from .conftest import coco_content, save_image
from .test_coco import changed, opened


def with_image(row, **fields):
    content = coco_content()
    content["images"][row].update(fields)
    return content


def write(root, content):
    """The annotations alone, beside the images of another content."""
    file = root / "annotations" / "instances_train2017.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return file


@pytest.mark.parametrize(
    ("written", "crowd"),
    [
        *((0, False), (1, True), ("0", False), ("1", True), (False, False), (True, True)),
        *((None, False), (0.0, False), (1.0, True), ("true", True), ("False", False)),
    ],
)
def test_crowds(write_coco, written, crowd):
    objects = opened(write_coco(changed(0, iscrowd=written)))
    assert objects.objects(0).crowd.tolist() == [crowd]
    assert objects.has_objects.tolist() == [not crowd, True, False]


@pytest.mark.parametrize("written", [2, -1, "yes?", "", [0], {}, 0.5])
def test_what_is_no_crowd_flag(write_coco, written):
    with pytest.raises(ValueError, match="`iscrowd` must be 0 or 1.* annotation 7 of image 30"):
        opened(write_coco(changed(0, iscrowd=written)))


@pytest.mark.parametrize("written", [None, -900, 0, [900], "much", float("nan"), 10**400, True])
@pytest.mark.parametrize("masks", [None, False])
def test_an_impossible_area_is_that_of_the_mask_or_box(write_coco, caplog, written, masks):
    with caplog.at_level(logging.WARNING):
        objects = opened(write_coco(changed(0, area=written)), name="some", masks=masks)
    assert objects.areas(0).tolist() == [
        300 if masks is False else int(objects.objects(0).masks.sum())
    ]
    (line,) = caplog.messages
    what = "box" if masks is False else "mask"
    assert line.startswith(
        f"some: 1 objects have an impossible 'area', and get that of their {what}"
    )
    assert "annotation 7 of image 30 in " in line


def test_areas_as_text_or_missing(write_coco, caplog):
    content = changed(0, area="150.5")
    del content["annotations"][2]["area"]
    objects = opened(write_coco(content))
    assert objects.areas(0).tolist() == [150.5]
    assert objects.areas(1).tolist() == [120, 64]
    assert not caplog.records


@pytest.mark.parametrize(
    "box",
    [
        *(
            None,
            [],
            [5, 5, 20],
            [5, 5, 20, 15, 1],
            "5 5 20 15",
            ["5", 5, 20, 15],
            [5, None, 20, 15],
        ),
        *([5, 5, -20, 15], [5, 5, 20, -1], {"x": 5}, [[5, 5, 20, 15]], [5, 5, True, 15]),
        *([5, 5, float("nan"), 15], [5, float("inf"), 20, 15], [5, 5, 10**400, 15]),
    ],
)
def test_impossible_boxes_name_file_and_annotation(write_coco, box):
    message = "`bbox` must be .* Correct annotation 7 of image 30 in .*instances_train2017.json"
    with pytest.raises(ValueError, match=message):
        opened(write_coco(changed(0, bbox=box)))


def test_a_missing_box_and_a_box_elsewhere(write_coco):
    content = coco_content()
    del content["annotations"][0]["bbox"]
    with pytest.raises(ValueError, match="`bbox` must be four numbers.* got None"):
        opened(write_coco(content))
    with pytest.raises(ValueError, match="lie in its image.* Correct annotation 7 of image 30 in"):
        opened(write_coco(changed(0, bbox=[400, 5, 20, 15])))


def test_boxes_in_shares_of_the_image(write_coco):
    content = coco_content()
    for one in content["annotations"]:
        one["bbox"] = [0.1, 0.2, 0.3, 0.4]
    with pytest.raises(ValueError, match="must be in pixels; .* look like shares of the image"):
        opened(write_coco(content))


def test_ids_as_text_and_as_numbers_are_the_same(write_coco):
    content = changed(0, image_id="30", category_id="90")
    content["categories"][1]["id"] = "1"
    content["images"][1]["id"] = "10"
    content["images"][2]["id"] = 20.0
    objects = opened(write_coco(content))
    assert objects.image_ids == [30, "10", 20]
    assert objects.category_ids == [1, 90]
    assert [len(objects.objects(index).boxes) for index in range(3)] == [1, 2, 0]


def test_names_as_ids_of_images(write_coco):
    content = coco_content()
    for one, name in zip(content["images"], ("a/b", "01", "1x"), strict=True):
        one["id"] = name
    for one, name in zip(content["annotations"], ("a/b", "01", "01"), strict=True):
        one["image_id"] = name
    objects = opened(write_coco(content))
    assert objects.image_ids == ["a/b", "01", "1x"]
    assert [len(objects.objects(index).boxes) for index in range(3)] == [1, 2, 0]


def categories(*rows):
    return coco_content(categories=[{"id": one, "name": name} for one, name in rows])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            with_image(0, id=10),
            "of one image alone, got 10 for .*30.jpg. and .*10.jpg",
        ),
        (with_image(0, id="10"), "`id` must be of one image alone, got 10"),
        (with_image(0, id=None), "`id` must be a whole .* got None. Correct image number 1 in"),
        (with_image(0, id=[1]), "`id` must be a whole number or a text"),
        (with_image(0, id=True), "`id` must be a whole number or a text"),
        (with_image(0, id=1.5), "`id` must be a whole number or a text"),
        (changed(0, image_id=None), "`image_id` must be .* Correct annotation 7 in "),
        (changed(0, image_id="0030"), "1 do not, first: annotation 7 with image_id '0030'"),
        (changed(0, category_id=None), "`category_id` must be"),
        (
            categories((90, "a"), (1, "b"), (1, "c")),
            "`id` must be of one category .* 1 for 'b'",
        ),
        (categories((90, "a"), (1, "b"), ("1", "c")), "`id` must be of one category"),
        (categories((90, "a"), (1, "a")), "`name` must be .* got 'a' for the ids 1 and 90"),
        (categories((90, "a "), (1, " a")), "`name` must be of one category alone"),
        (categories((90, "a"), (1, None)), "`name` must be the name of a .* Correct category 1 in"),
        (categories((90, "a"), (1, " ")), "`name` must be the name of a category"),
        (categories((90, "a"), (1, True)), "`name` must be the name of a category"),
        (categories((90, "5"), (1, 5)), "`name` must be of one category alone"),
        (categories((90, "a"), ("cat", "b")), "`id` must be a whole number, got 'cat'"),
        (coco_content(categories=[{"id": 1, "supercategory": "a"}]), "`name` must be the name"),
        (coco_content(categories=[]), "must name a listed category; 3 do not"),
        (coco_content(categories=None), "must have a list 'categories', got None"),
        (coco_content(categories=["cat"]), "`categories` must be objects with fields, got 'cat'"),
        (coco_content(annotations=None), "must have a list 'annotations', got None"),
        (coco_content(annotations={}), "must have a list 'annotations', got {}"),
        (coco_content(annotations=[None]), "`annotations` must be objects .* number 1 of them"),
        (coco_content(images=["a.jpg"]), "`images` must be objects with fields"),
    ],
)
def test_ids_and_lists_that_are_none(write_coco, content, message):
    root = write_coco()
    file = write(root, content)
    with pytest.raises(ValueError, match=message) as caught:
        opened(root)
    assert str(file) in str(caught.value)


def test_lists_that_are_not_there(write_coco):
    root = write_coco()
    for name in ("images", "annotations", "categories"):
        content = coco_content()
        del content[name]
        write(root, content)
        with pytest.raises(ValueError, match=f"must have a list '{name}', got none"):
            opened(root)
    write(root, [])
    with pytest.raises(ValueError, match="'images', 'annotations' and 'categories', got a list"):
        opened(root)


def test_categories_that_no_object_has_are_classes(write_coco):
    content = coco_content()
    content["categories"].append({"id": 0, "name": "all", "supercategory": "none"})
    assert opened(write_coco(content)).classes == ["all", "person", "toothbrush"]


@pytest.mark.parametrize("side", [30.0, "30", "30.0"])
def test_sizes_as_floats_and_text(write_coco, side):
    objects = opened(write_coco(with_image(2, height=side)))
    assert objects.sizes.tolist() == [[30, 40]] * 3
    assert objects.objects(2).masks.shape == (0, 30, 40)


@pytest.mark.parametrize("side", [-1, 0, None, "missing"])
def test_sizes_that_the_file_does_not_know_come_from_the_image(write_coco, caplog, side):
    content = with_image(1, height=side)
    if side == "missing":
        del content["images"][1]["height"], content["images"][1]["width"]
    root = write_coco(content)
    with caplog.at_level(logging.WARNING):
        objects = opened(root, name="some")
    assert objects.sizes.tolist() == [[30, 40]] * 3
    (line,) = caplog.messages
    assert line.startswith("some: 1 images have no size in ")
    assert "instances_train2017.json" in line
    assert line.endswith("first: image 10")
    with pytest.raises(ValueError, match="must be known.* Correct image 10 in .*`images`"):
        COCOObjects(root / "annotations" / "instances_train2017.json")


@pytest.mark.parametrize("side", ["tall", 30.5, [30], True, float("nan")])
def test_what_is_no_size(write_coco, side):
    with pytest.raises(ValueError, match="`height` must be a whole number of pixels.* image 30 in"):
        opened(write_coco(with_image(0, height=side)))


def test_file_names_with_folders_and_backslashes(write_coco):
    root = write_coco()
    save_image(root / "train2017" / "day" / "1.jpg")
    content = with_image(0, file_name="day\\1.jpg")
    content["images"][1]["file_name"] = "train2017/10.jpg"
    content["images"][2]["file_name"] = "train2017\\20.jpg"
    write(root, content)
    objects = opened(root)
    assert [objects.path(row).relative_to(root).as_posix() for row in range(3)] == [
        "train2017/day/1.jpg",
        "train2017/10.jpg",
        "train2017/20.jpg",
    ]
    assert objects.read(0).shape == (3, 30, 40)


@pytest.mark.parametrize("name", [None, "", 5, ["30.jpg"]])
def test_images_without_a_file_name(write_coco, name):
    root = write_coco()
    file = write(root, with_image(0, file_name=name))
    with pytest.raises(ValueError, match="`file_name` must be .* Correct image 30 in"):
        opened(root)
    assert len(COCOObjects(file).objects(0).boxes) == 1


def test_annotations_of_one_id_count_and_are_said(write_coco, caplog):
    with caplog.at_level(logging.WARNING):
        objects = opened(write_coco(changed(0, id=9)), name="some")
    assert [len(objects.objects(index).boxes) for index in range(3)] == [1, 2, 0]
    (line,) = caplog.messages
    assert line.startswith("some: 1 annotations have an id that another one has, and count all")


def test_a_file_of_two_images(write_coco):
    with pytest.raises(ValueError, match="`file_name` must be of one .* 30 and 20.* got '20.jpg'"):
        opened(write_coco(with_image(0, file_name="20.jpg")))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_encodings_that_json_knows(write_coco, encoding):
    root = write_coco()
    content = categories((90, "brosse à dents"), (1, "personne"))
    write(root, json.dumps(content, ensure_ascii=False).encode(encoding))
    assert opened(root).classes == ["personne", "brosse à dents"]


def test_files_that_are_no_json(write_coco):
    root = write_coco()
    text = json.dumps(categories((90, "brosse à dents"), (1, "b")), ensure_ascii=False)
    write(root, text.encode("latin-1"))
    with pytest.raises(ValueError, match="instances_train2017.json .* not in UTF-8. Save it as"):
        opened(root)
    for broken in (b"", b"{", text.encode()[:-20], codecs.BOM_UTF8, b"\x00\x05\x16\x07Mac OS X"):
        write(root, broken)
        with pytest.raises(ValueError, match="instances_train2017.json is not in COCO's format"):
            opened(root)


def test_images_in_one_of_several_folders(write_coco):
    root = write_coco()
    file = root / "annotations" / "instances_train2017.json"
    objects = COCOObjects(file, [root / "nowhere", root, root / "train2017"])
    assert objects.path(0) == root / "train2017" / "30.jpg"
    with pytest.raises(FileNotFoundError, match="`images` must be a folder or None"):
        COCOObjects(file, [root / "nowhere"])


def test_an_image_that_is_none(write_coco):
    root = write_coco(with_image(0, height=0))
    (root / "train2017" / "30.jpg").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot read the image .*30.jpg"):
        opened(root)
    Image.new("L", (40, 30)).save(root / "train2017" / "30.jpg")
    assert opened(root).read(0).shape == (3, 30, 40)
