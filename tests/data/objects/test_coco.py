"""COCO's format."""

import contextlib
import io
import logging

import pytest
import torch
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO

from instdisc.data import COCOObjects

from .conftest import coco_content


def opened(root, **options):
    return COCOObjects(
        root / "annotations" / "instances_train2017.json", root / "train2017", **options
    )


def changed(row, **fields):
    content = coco_content()
    content["annotations"][row].update(fields)
    return content


def test_boxes_ids_and_crowds(write_coco):
    objects = opened(write_coco())
    assert objects.image_ids == [30, 10, 20]
    assert objects.classes == ["person", "toothbrush"]
    assert objects.category_ids == [1, 90]
    assert objects.has_objects.tolist() == [True, True, False]
    first, second, third = (objects.objects(index) for index in range(3))
    assert first.boxes.tolist() == [[5, 5, 25, 20]]
    assert first.labels.tolist() == [1]
    assert second.boxes.tolist() == [[10, 0, 14, 30], [0, 0, 8.5, 8]]
    assert second.crowd.tolist() == [True, False]
    assert second.difficult.tolist() == [False, False]
    assert objects.areas(0).tolist() == [150]
    assert objects.areas(1).tolist() == [120, 64]
    assert third.boxes.shape == (0, 4)
    assert third.masks.shape == (0, 30, 40)
    assert objects.read(2).shape == (3, 30, 40)


def test_masks_of_polygons_and_run_lengths(write_coco):
    objects = opened(write_coco())
    crowd, square = objects.objects(1).masks
    expected = torch.zeros(30, 40, dtype=torch.bool)
    expected[:, 10:14] = True
    assert torch.equal(crowd, expected)
    assert square.sum() == 64
    assert square[:8, :8].all()


def test_compressed_run_lengths_give_the_same_mask(write_coco):
    plain = coco_content()["annotations"][1]["segmentation"]
    runs = run_lengths.frPyObjects(plain, 30, 40)
    packed = {"size": [30, 40], "counts": runs["counts"].decode()}
    objects = opened(write_coco(changed(1, segmentation=packed)))
    assert objects.objects(1).masks[0].sum() == 120


def test_masks_are_those_of_pycocotools(write_coco):
    several = [[5, 5, 25.3, 5, 5, 20], [30, 3, 38.7, 4, 36, 22.2, 31, 18], [1, 1, 3, 3]]
    root = write_coco(changed(0, segmentation=several))
    objects = opened(root)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO(root / "annotations" / "instances_train2017.json")
    runs = run_lengths.merge(run_lengths.frPyObjects(several[:2], 30, 40))
    assert objects.objects(0).masks.sum() == run_lengths.area(runs)
    for annotation in theirs.dataset["annotations"][1:]:
        position = objects.image_ids.index(annotation["image_id"])
        row = [one["id"] for one in theirs.imgToAnns[annotation["image_id"]]].index(
            annotation["id"]
        )
        area = run_lengths.area(theirs.annToRLE(annotation))
        assert objects.objects(position).masks[row].sum() == area


def test_boxes_alone(write_coco):
    content = coco_content()
    for annotation in content["annotations"]:
        del annotation["segmentation"], annotation["area"]
    root = write_coco(content)
    objects = opened(root)
    assert not objects.masks
    assert objects.objects(1).masks is None
    assert objects.areas(1).tolist() == [120, 68]
    message = (
        "`masks`=True needs .*; 2 of 3 have no 'segmentation', first: annotation 7 of image 30"
    )
    with pytest.raises(ValueError, match=message):
        opened(root, masks=True)


def test_masks_can_be_passed_over(write_coco):
    assert opened(write_coco(), masks=False).objects(0).masks is None


def test_objects_without_area_are_left_out(write_coco, caplog):
    content = changed(0, bbox=[5, 5, 0, 15])
    content["annotations"][2]["bbox"] = [1, 1, 3, 0]
    with caplog.at_level(logging.WARNING):
        objects = opened(write_coco(content), name="some")
    (line,) = caplog.messages
    assert line.startswith(
        "some: left out 2 objects without area, first: image 30 (5, 5, 5, 20) of "
    )
    assert [len(objects.objects(index).masks) for index in range(3)] == [0, 1, 0]
    assert objects.has_objects.tolist() == [False, False, False]


def test_ground_truth_without_images(write_coco):
    root = write_coco()
    objects = COCOObjects(root / "annotations" / "instances_train2017.json")
    assert len(objects.objects(0).boxes) == 1
    with pytest.raises(ValueError, match="was opened without images: pass `images`"):
        objects.read(0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(0, image_id=31), "must name a listed image; 1 do not, first: annotation 7 .* 31"),
        (changed(0, category_id=2), "must name a listed category; 1 do not.* with category_id 2"),
        (changed(0, bbox=[5, 5, -20, 15]), "of at least 0, got .* annotation 7 of image 30 in "),
        (changed(0, bbox=[40, 5, 20, 15]), "lie in its image"),
        (changed(0, bbox=[-9, 5, 9, 15]), "lie in its image"),
        (changed(0, bbox=[5, 5, 20]), "`bbox` must be four .* annotation 7 of image 30 in"),
        (changed(1, segmentation={"size": [40, 30], "counts": [1200]}), "annotation 8 .* of size"),
        (changed(1, segmentation={"size": [30, 40], "counts": [9]}), "make 9 of 1200 pixels"),
        (changed(1, segmentation={"size": [30, 40]}), "its 'counts' must be run lengths, got None"),
        (changed(0, segmentation="all of it"), "its 'segmentation' must be .* got 'all of it'"),
        (changed(0, segmentation=[[1, 1, 4, 1, 4]]), "a polygon of 5 coordinates, an odd"),
        (coco_content(images=[]), "must name a listed image"),
        (coco_content(images=[], annotations=[]), "must name at least one image"),
        (coco_content(annotations=[{}]), "`image_id` must be a whole .* annotation number 1 in"),
        (coco_content(images=coco_content()["images"] * 2), "of one image alone, got 30"),
    ],
)
def test_bad_annotations(write_coco, content, message):
    with pytest.raises(ValueError, match=message):
        opened(write_coco(content))


def test_missing_files(write_coco):
    root = write_coco()
    file = root / "annotations" / "instances_train2017.json"
    with pytest.raises(FileNotFoundError, match="`annotations` must be a file"):
        COCOObjects(root / "nothing.json")
    with pytest.raises(FileNotFoundError, match="`images` must be a folder or None"):
        COCOObjects(file, root / "nothing")
    (root / "train2017" / "10.jpg").unlink()
    with pytest.raises(ValueError, match="1 of the images that .* are not in train2017/, 10.jpg"):
        opened(root)
    file.write_text("{}")
    with pytest.raises(ValueError, match="it must have a list 'images', got none"):
        opened(root)
