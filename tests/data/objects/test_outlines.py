"""Outlines in all the forms that people write, and what is none."""

import logging

import numpy as np
import pytest
import torch
from pycocotools import mask as run_lengths

from instdisc.data.objects.outlines import PackedOutlines, outline_area, pack_outline
from instdisc.data.objects.polygons import is_blank

from .conftest import coco_content
from .test_coco import changed, opened

HEIGHT, WIDTH = 30, 40
RING = [5, 5, 25, 5, 25, 20, 5, 20]
PAIRS = [[5, 5], [25, 5], [25, 20], [5, 20]]


def decoded(segmentation, height=HEIGHT, width=WIDTH):
    packed = PackedOutlines([pack_outline(segmentation, height, width).data])
    return packed.masks(slice(0, 1), height, width)[0]


def random_mask():
    return np.asfortranarray(np.random.RandomState(1).rand(HEIGHT, WIDTH) > 0.6).astype(np.uint8)


@pytest.mark.parametrize("written", [[RING], RING, PAIRS, [PAIRS], [[PAIRS]], [[RING]], [RING, []]])
def test_every_form_of_one_polygon_is_the_same_mask(written):
    expected = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    expected[5:20, 5:25] = True
    assert torch.equal(decoded(written), expected)


def test_several_polygons_in_pairs():
    second = [[30, 2], [38, 2], [38, 12], [30, 12]]
    assert decoded([PAIRS, second]).sum() == 20 * 15 + 8 * 10
    assert torch.equal(
        decoded([PAIRS, second]), decoded([RING, [number for pair in second for number in pair]])
    )


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            [[5, 5, 20, 15]],
            r"at least three points, got \[\[5, 5, 20, 15\]\]; the corners of a box",
        ),
        ([5, 5, 20, 15], "at least three points"),
        ([[5, 5], [20, 15]], "at least three points"),
        ([[[5, 5], [20, 15]]], "at least three points"),
        ([[5, 5]], "at least three points"),
        ([[5, 5, 20, 15], [1, 1]], "at least three points"),
        ([[5, 5, 20, 5, 20, 15, 7]], "7 coordinates, an odd number"),
        ([[5, 5, 1], [20, 15, 1], [5, 15, 1]], "3 coordinates, an odd number"),
        ([[5, 5, None, 5, 20, 15]], "finite numbers, got 'None'"),
        ([[5, 5], [None, 5], [20, 15]], "finite numbers, got 'None'"),
        ([[5, 5, "20", 5, 20, 15]], "finite numbers, got '20'"),
        ([[5, 5, True, 5, 20, 15]], "finite numbers, got 'True'"),
        ([[5, 5, float("nan"), 5, 20, 15]], "finite numbers, got 'nan'"),
        ([[5, 5, float("inf"), 5, 20, 15]], "finite numbers, got 'inf'"),
        ([[5, 5, 10**400, 5, 20, 15]], "finite numbers, got '1000"),
        ([RING, None], "a list of polygons"),
        ([5, [5, 20, 5, 20, 15, 3]], "a list of polygons"),
        ([{"x": 5, "y": 5}], "its mask is of size None"),
        ("polygon", "must be polygons or run lengths"),
        (0, "must be polygons or run lengths"),
        (True, "must be polygons or run lengths"),
    ],
)
def test_what_is_no_polygon(written, message):
    with pytest.raises(ValueError, match=message):
        pack_outline(written, HEIGHT, WIDTH)


def test_pieces_of_one_or_two_points_beside_a_polygon_are_counted():
    assert pack_outline([RING, [1, 1], [2, 2, 9, 9]], HEIGHT, WIDTH).left_out == 2
    assert torch.equal(decoded([RING, [1, 1], [2, 2, 9, 9]]), decoded([RING]))


@pytest.mark.parametrize("nothing", [None, [], {}, [[]], [[], []]])
def test_no_outline(nothing):
    assert is_blank(nothing)
    assert pack_outline(nothing, HEIGHT, WIDTH).data == b""


def test_run_lengths_of_both_kinds_as_text_and_bytes():
    mask = random_mask()
    runs = run_lengths.encode(mask)
    flat = mask.flatten(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    borders = np.concatenate([[0] if not flat[0] else [0, 0], changes, [flat.size]])
    counts = np.diff(borders).tolist()
    for written in (
        {"size": [HEIGHT, WIDTH], "counts": runs["counts"]},
        {"size": [HEIGHT, WIDTH], "counts": runs["counts"].decode()},
        {"size": (HEIGHT, WIDTH), "counts": counts},
        {"size": [30.0, 40.0], "counts": [float(one) for one in counts]},
        [{"size": [HEIGHT, WIDTH], "counts": counts}],
    ):
        assert np.array_equal(decoded(written).numpy(), mask)
    packed = pack_outline({"size": [HEIGHT, WIDTH], "counts": counts}, HEIGHT, WIDTH).data
    assert outline_area(packed, HEIGHT, WIDTH) == mask.sum()


@pytest.mark.parametrize("seed", range(20))
def test_compressed_run_lengths_of_any_length_are_taken(seed):
    random = np.random.RandomState(seed)
    height, width = random.randint(1, 400, 2)
    mask = np.zeros((height, width), np.uint8, order="F")
    for _ in range(seed):
        top, left = random.randint(0, height), random.randint(0, width)
        mask[top : top + random.randint(1, 300), left : left + random.randint(1, 300)] ^= 1
    runs = run_lengths.encode(mask)
    assert np.array_equal(decoded(runs, height, width).numpy(), mask)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ("zz@@!!", "damaged"),
        ("", "damaged"),
        ("PP", "damaged"),
        ("o" * 40, "damaged"),
        ("b'1'", "damaged"),
        ("0", "make 0 of 1200 pixels"),
        (run_lengths.encode(random_mask())["counts"][:-4].decode(), "of 1200 pixels|damaged"),
        (run_lengths.encode(random_mask())["counts"].decode() + "5", "of 1200 pixels"),
        ([1201], "make 1201 of 1200"),
        ([600, 599], "make 1199 of 1200"),
        ([-1, 1201], "whole numbers"),
        ([600.5, 599.5], "whole numbers"),
        (["1200"], "whole numbers"),
        ([None], "whole numbers"),
        ([], "make 0 of 1200"),
        (None, "must be run lengths"),
        (1200, "must be run lengths"),
    ],
)
def test_damaged_run_lengths(counts, message):
    with pytest.raises(ValueError, match=message):
        pack_outline({"size": [HEIGHT, WIDTH], "counts": counts}, HEIGHT, WIDTH)


@pytest.mark.parametrize("size", [[40, 30], [30], None, "30x40", [31, 40]])
def test_run_lengths_of_another_size(size):
    with pytest.raises(ValueError, match="its mask is of size .* and its image of .30, 40"):
        pack_outline({"size": size, "counts": [1200]}, HEIGHT, WIDTH)


def test_objects_never_vanish_with_their_outlines(write_coco, caplog):
    root = write_coco(changed(0, segmentation=[[5, 5, 20, 15]]))
    message = "annotation 7 of image 30 in .*instances_train2017.json: .* masks=False"
    with pytest.raises(ValueError, match=message):
        opened(root)
    assert opened(root, masks=False).objects(0).boxes.tolist() == [[5, 5, 25, 20]]
    # An outline that encloses no pixel takes nothing away from the box.
    for thin in ([[1, 1, 3, 3, 2, 2]], {"size": [30, 40], "counts": [1200]}):
        objects = opened(write_coco(changed(0, segmentation=thin)))
        assert objects.objects(0).boxes.tolist() == [[5, 5, 25, 20]]
        assert objects.objects(0).masks.sum() == 0
    assert not caplog.records


def test_left_out_pieces_are_said_once(write_coco, caplog):
    content = changed(0, segmentation=[RING, [1, 1, 3, 3]])
    content["annotations"][2]["segmentation"] = [[0, 0, 8, 0, 8, 8, 0, 8], [1, 1]]
    with caplog.at_level(logging.WARNING):
        opened(write_coco(content), name="some")
    (line,) = caplog.messages
    assert line.startswith("some: 2 outlines have pieces of fewer than three points")
    assert "first: annotation 7 of image 30 in " in line


@pytest.mark.parametrize("nothing", [None, [], {}, [[]], "missing"])
def test_some_objects_without_outline(write_coco, caplog, nothing):
    content = changed(0, segmentation=nothing)
    if nothing == "missing":
        del content["annotations"][0]["segmentation"]
    root = write_coco(content)
    with caplog.at_level(logging.WARNING):
        objects = opened(root, name="some")
    assert not objects.masks
    assert [len(objects.objects(index).boxes) for index in range(3)] == [1, 2, 0]
    (line,) = caplog.messages
    assert line.startswith("some: masks are not read, since 1 of 3 objects have no outline")
    assert "first: annotation 7 of image 30 in " in line
    caplog.clear()
    assert not opened(root, masks=False).masks
    assert not caplog.records
    with pytest.raises(ValueError, match="1 of 3 have no 'segm.* annotation 7 of image 30 in"):
        opened(root, masks=True)


@pytest.mark.parametrize("masks", [None, True])
def test_a_crowd_without_outline_has_its_box(write_coco, caplog, masks):
    with caplog.at_level(logging.WARNING):
        objects = opened(write_coco(changed(1, segmentation=[])), masks=masks, name="some")
    assert objects.masks
    expected = torch.zeros(30, 40, dtype=torch.bool)
    expected[:, 10:14] = True
    assert torch.equal(objects.objects(1).masks[0], expected)
    (line,) = caplog.messages
    assert line.startswith("some: 1 crowds have no outline, and get their box for one, first: anno")


def test_a_set_of_boxes_says_nothing(write_coco, caplog):
    content = coco_content()
    for one in content["annotations"]:
        one["segmentation"] = []
    assert not opened(write_coco(content)).masks
    assert not caplog.records
