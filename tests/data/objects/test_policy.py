"""Resizing and mirroring of images with their objects."""

import pytest
import torch
from torchvision.ops import masks_to_boxes

from instdisc.data import Draws, ObjectPolicy, SceneObjects, Scenes
from instdisc.data.objects.policy import for_training
from instdisc.types import Objects


def objects_of(boxes, masks=None, crowd=None):
    none = torch.zeros(len(boxes), dtype=torch.bool)
    crowd = none if crowd is None else torch.tensor(crowd)
    return Objects(torch.tensor(boxes), torch.arange(len(boxes)), masks, none, crowd)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 640), (800, 1067)),  # 1066.67
        ((640, 480), (1067, 800)),
        ((375, 500), (800, 1067)),
        ((300, 800), (500, 1333)),  # the long side would be 2133; 499.9
        ((800, 1333), (800, 1333)),
        ((2000, 2000), (800, 800)),
        ((1, 4000), (1, 1333)),
    ],
)
def test_sizes_are_those_of_detectron2(size, expected):
    assert ObjectPolicy([800], 1333).size(*size, 800) == expected


def test_resized_boxes_and_masks_stay_together():
    scenes = SceneObjects(Scenes(4, image_size=64))
    policy = ObjectPolicy([96])
    for index in range(4):
        for flipped in (False, True):
            image, found = policy.apply(scenes.read(index), scenes.objects(index), 96, flipped)
            around = masks_to_boxes(found.masks)
            around[:, 2:] += 1  # torchvision gives the last pixel, not its end
            assert image.shape == (3, 96, 96)
            assert found.masks.shape[1:] == (96, 96)
            assert (around - found.boxes).abs().max() <= 1


def test_the_same_size_leaves_everything_as_it_is():
    scenes = SceneObjects(Scenes(1, image_size=64))
    image, before = scenes.read(0), scenes.objects(0)
    same, found = ObjectPolicy([64]).apply(image, before, 64, False)
    assert torch.equal(same, image)
    assert torch.equal(found.boxes, before.boxes)
    assert torch.equal(found.masks, before.masks)


def test_a_flip_mirrors_and_two_flips_are_none():
    image = torch.arange(2 * 6, dtype=torch.uint8).view(1, 2, 6).expand(3, 2, 6)
    masks = (image[:1] % 6) < 2  # the first two columns
    before = objects_of([[0.0, 0.0, 2.0, 1.0]], masks)
    policy = ObjectPolicy([2], 6)
    mirrored, found = policy.apply(image, before, 2, True)
    assert mirrored[0, 0].tolist() == [5, 4, 3, 2, 1, 0]
    assert found.boxes.tolist() == [[4, 0, 6, 1]]
    assert found.masks[0, 0].tolist() == [False] * 4 + [True] * 2
    again, back = policy.apply(mirrored, found, 2, True)
    assert torch.equal(again, image)
    assert torch.equal(back.boxes, before.boxes)
    assert torch.equal(back.masks, before.masks)


def test_each_side_has_its_own_scale():
    image = torch.zeros(3, 75, 100, dtype=torch.uint8)
    _, found = ObjectPolicy([50]).apply(image, objects_of([[10.0, 15.0, 100.0, 75.0]]), 50, False)
    expected = torch.tensor([[6.7, 10.0, 67.0, 50.0]])  # 66.67 is rounded to 67
    torch.testing.assert_close(found.boxes, expected)


def test_training_clips_and_leaves_out_crowds():
    masks = torch.ones(3, 8, 8, dtype=torch.bool)
    boxes = [[-1.0, -2.0, 9.0, 10.0], [0.0, 0.0, 4.0, 4.0], [1.0, 2.0, 3.0, 4.0]]
    found = for_training(objects_of(boxes, masks, [False, True, False]), 8, 7)
    assert found.boxes.tolist() == [[0, 0, 7, 8], [1, 2, 3, 4]]
    assert found.labels.tolist() == [0, 2]
    assert len(found.masks) == len(found.crowd) == len(found.difficult) == 2


def test_sides_and_flips_are_drawn_evenly_by_image():
    policy = ObjectPolicy([10, 20, 30], flip=0.25)
    sides, flipped = policy.draw(Draws(0, 0, range(6000), 0))
    counts = torch.tensor(sides).bincount()[[10, 20, 30]]
    assert (counts - 2000).abs().max() < 5 * (6000 * 2 / 9) ** 0.5
    assert abs(sum(flipped) - 1500) < 5 * (6000 * 3 / 16) ** 0.5
    assert policy.draw(Draws(0, 0, [17], 0)) == ([sides[17]], [flipped[17]])


def test_tests_are_at_the_largest_side_without_chance():
    policy = ObjectPolicy([480, 800], 1000).for_test()
    assert policy.draw(Draws(0, 0, [1, 2], 0)) == ([800, 800], [False, False])
    assert policy.longest_side == 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short_sides": []}, "`short_sides` must be a list of numbers of pixels, got"),
        ({"short_sides": [0]}, "`short_sides.0.` must be a whole number of at least 1, got 0"),
        ({"longest_side": 700}, "`longest_side` must be a whole number of at least 800, got 700"),
        ({"flip": 1.5}, "`flip` must be .* at most 1, got 1.5"),
        ({"flip": float("nan")}, "`flip` must be a finite number"),
    ],
)
def test_bad_policies(options, message):
    with pytest.raises(ValueError, match=message):
        ObjectPolicy(**options)
