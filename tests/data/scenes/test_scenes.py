import pickle

import numpy as np
import pytest
import torch

from instdisc.data import Scene, Scenes
from instdisc.data.scenes.shapes import (
    CATEGORIES,
    FLIP_PAIRS,
    KEYPOINTS,
    REACH,
    ROWS,
    distance_table,
    extent,
    keypoints,
)
from instdisc.data.scenes.textures import PATTERNS, texture


def _equal(one: Scene, other: Scene) -> bool:
    return one.label == other.label and all(
        torch.equal(a, b)
        for a, b in zip(one, other, strict=True)
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)
    )


# -- the same bits, whoever asks ------------------------------------------------------------------


def test_the_same_seed_gives_the_same_scenes_in_any_order():
    forward, backward = Scenes(12, image_size=32), Scenes(12, image_size=32)
    one = [forward[i] for i in range(12)]
    other = [backward[i] for i in reversed(range(12))][::-1]
    assert all(_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_pickled_copy_in_a_worker_gives_the_same_scenes():
    scenes = Scenes(8, image_size=32)
    assert _equal(pickle.loads(pickle.dumps(scenes))[5], scenes[5])


def test_fewer_images_are_the_beginning_of_more():
    few, many = Scenes(13, image_size=32), Scenes(100, image_size=32)
    assert torch.equal(few.labels, many.labels[:13])
    assert _equal(few[12], many[12])


@pytest.mark.parametrize("other", [{"seed": 1}, {"split": "test"}, {"split": "val"}])
def test_another_seed_or_split_gives_other_images(other):
    one, two = Scenes(10, image_size=32), Scenes(10, image_size=32, **other)
    for i in range(10):
        for j in range(10):
            assert not torch.equal(one.read(i), two.read(j))


def test_images_of_one_set_differ():
    images = {Scenes(50, image_size=32).read(i).numpy().tobytes() for i in range(50)}
    assert len(images) == 50


@pytest.mark.parametrize("image_size", [32, 47, 64])
def test_read_gives_the_image_of_the_scene(image_size):
    scenes = Scenes(20, image_size=image_size)
    for i in range(20):
        image = scenes.read(i)
        assert image.shape == (3, image_size, image_size)
        assert image.dtype == torch.uint8
        assert torch.equal(image, scenes[i].image)


def test_fetch_and_length_are_those_of_an_image_source():
    scenes = Scenes(5, image_size=32)
    index, image = scenes.fetch(3)
    assert (len(scenes), index) == (5, 3)
    assert torch.equal(image, scenes.read(3))
    assert len(list(scenes)) == 5  # iteration ends


# Arguments, index -> mean of each channel, boxes, classes. Change these only together with the
# version: results on `scenes` before and after a change of the generator do not compare.
PINNED = [
    (
        {},
        0,
        [112.01, 112.99, 106.39],
        [[12, 5, 53, 55], [18, 0, 36, 10]],
        [3, 7],
    ),
    (
        {},
        57,
        [129.71, 114.65, 132.34],
        [[0, 0, 64, 63]],
        [0],
    ),
    (
        {"split": "test", "seed": 3},
        0,
        [120.14, 126.15, 119.62],
        [[41, 29, 56, 43], [19, 4, 27, 15], [11, 6, 59, 62], [6, 22, 20, 38]],
        [1, 9, 4, 3],
    ),
    (
        {"split": "test", "seed": 3},
        57,
        [120.59, 110.0, 122.04],
        [[15, 28, 30, 42], [14, 0, 53, 53], [32, 51, 48, 64]],
        [7, 9, 1],
    ),
    (
        {"num_categories": 20, "image_size": 48, "max_others": 5},
        0,
        [116.33, 115.7, 110.57],
        [[11, 5, 39, 48], [16, 0, 24, 9]],
        [11, 13],
    ),
    (
        {"num_categories": 20, "image_size": 48, "max_others": 5},
        57,
        [131.95, 112.37, 130.92],
        [[10, 0, 36, 43], [34, 15, 43, 28]],
        [9, 4],
    ),
]


@pytest.mark.parametrize(("arguments", "index", "means", "boxes", "classes"), PINNED)
def test_the_generator_has_not_changed(arguments, index, means, boxes, classes):
    scene = Scenes(60, **arguments)[index]
    assert scene.image.double().mean((1, 2)).tolist() == pytest.approx(means, abs=0.02)
    assert scene.boxes.tolist() == boxes
    assert scene.classes.tolist() == classes


# -- annotations agree with one another -----------------------------------------------------------


@pytest.fixture(scope="module")
def scenes():
    return Scenes(60, image_size=64, max_others=5)


def test_types_and_shapes(scenes):
    for scene in map(scenes.__getitem__, range(len(scenes))):
        n = len(scene.boxes)
        assert 1 <= n <= 6
        assert (scene.boxes.shape, scene.boxes.dtype) == ((n, 4), torch.float32)
        assert (scene.classes.shape, scene.classes.dtype) == ((n,), torch.int64)
        assert (scene.masks.shape, scene.masks.dtype) == ((n, 64, 64), torch.bool)
        assert (scene.semantic.shape, scene.semantic.dtype) == ((64, 64), torch.int64)
        assert scene.keypoints.shape == (n, len(KEYPOINTS), 3)
        assert scene.keypoints.dtype == torch.float32


def test_boxes_enclose_the_masks_exactly(scenes):
    torchvision_ops = pytest.importorskip("torchvision.ops")
    for scene in map(scenes.__getitem__, range(len(scenes))):
        expected = torchvision_ops.masks_to_boxes(scene.masks)
        expected[:, 2:] += 1  # torchvision gives the last pixel, not its far side
        assert torch.equal(scene.boxes, expected)
        assert bool((scene.boxes[:, 2:] > scene.boxes[:, :2]).all())
        assert float(scene.boxes.min()) >= 0
        assert float(scene.boxes.max()) <= 64


def test_masks_do_not_overlap_and_make_up_the_semantic_mask(scenes):
    for scene in map(scenes.__getitem__, range(len(scenes))):
        assert int(scene.masks.sum(0).max()) == 1
        expected = torch.zeros_like(scene.semantic)
        for mask, category in zip(scene.masks, scene.classes, strict=True):
            expected[mask] = category + 1
        assert torch.equal(scene.semantic, expected)


def test_the_main_object_is_the_largest_and_the_only_one_of_its_category(scenes):
    for index in range(len(scenes)):
        scene = scenes[index]
        assert scene.label == scenes.labels[index]
        areas = scene.masks.sum((1, 2))
        assert int(scene.classes[areas.argmax()]) == scene.label
        assert int((scene.classes == scene.label).sum()) == 1


def test_a_visible_keypoint_is_inside_and_not_covered_by_a_nearer_object(scenes):
    hidden = 0
    for scene in map(scenes.__getitem__, range(len(scenes))):
        for number, points in enumerate(scene.keypoints):
            nearer = scene.masks[:number].any(0)
            for x, y, visible in points.tolist():
                inside = 0 <= x < 64 and 0 <= y < 64
                assert visible == float(inside and not nearer[int(y), int(x)])
                hidden += not visible
    assert hidden > 0  # the rule was put to the test


def test_keypoints_lie_on_their_object():
    scenes = Scenes(40, image_size=128, max_others=0, num_categories=20)
    for scene in map(scenes.__getitem__, range(40)):
        (mask,), (points,) = scene.masks, scene.keypoints
        rows, columns = torch.nonzero(mask, as_tuple=True)
        for name, (x, y, visible) in zip(KEYPOINTS, points.tolist(), strict=True):
            if visible and name != "centre":
                distance = torch.hypot(columns + 0.5 - x, rows + 0.5 - y).min()
                assert distance < 3, (scenes.classes[scene.label], name)
        named = dict(zip(KEYPOINTS, points.tolist(), strict=True))
        assert named["left"][0] < named["centre"][0] < named["right"][0]
        assert named["top"][1] < named["bottom"][1]


def test_the_object_looks_different_from_its_background():
    for scene in map(Scenes(20, max_others=0).__getitem__, range(20)):
        image, mask = scene.image.float(), scene.masks[0]
        assert float((image[:, mask].mean(1) - image[:, ~mask].mean(1)).abs().max()) > 5


def test_geometry_scales_with_the_image():
    small, large = Scenes(10, max_others=0), Scenes(10, max_others=0, image_size=192)
    for i in range(10):
        assert torch.allclose(3 * small[i].boxes, large[i].boxes, atol=4)
        assert torch.allclose(3 * small[i].keypoints[..., :2], large[i].keypoints[..., :2])


@pytest.mark.parametrize("image_size", [32, 512])
def test_the_smallest_and_the_largest_images(image_size):
    scene = Scenes(3, image_size=image_size)[2]
    share = scene.masks[scene.classes == scene.label].float().mean()
    assert scene.image.shape[-1] == image_size
    assert 0.05 < float(share) < 0.5


# -- labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_categories", [2, 7, 20])
def test_labels_are_balanced_and_in_no_fixed_order(num_categories):
    labels = Scenes(num_categories * 30, num_categories=num_categories).labels
    assert labels.dtype == torch.int64
    assert torch.bincount(labels).tolist() == [30] * num_categories
    runs = labels.reshape(30, num_categories)
    assert len({tuple(run.tolist()) for run in runs}) > 1


def test_the_category_is_hinted_at_but_not_given_by_the_pattern():
    """The hint is weaker than the label: the same shape comes with several patterns."""
    from instdisc.data.scenes.layout import OBJECT_DRAWS, SCENE_DRAWS, lay_out

    rng = np.random.default_rng(0)
    patterns = [
        lay_out(rng.random(SCENE_DRAWS + OBJECT_DRAWS).tolist(), 3, [4], 64)
        .things[0]
        .surface.pattern
        for _ in range(300)
    ]
    counts = np.bincount(patterns, minlength=len(PATTERNS))
    assert counts.argmax() == 3
    assert 0.5 < counts[3] / 300 < 0.95
    assert (counts > 0).sum() >= 5


def test_first_category_shifts_the_classes():
    novel = Scenes(20, image_size=32, num_categories=5, first_category=10)
    assert novel.classes == list(CATEGORIES[10:15])
    for i in range(20):
        assert set(novel[i].classes.tolist()) <= set(range(5))


# -- shapes and patterns --------------------------------------------------------------------------


@pytest.mark.parametrize("category", range(len(CATEGORIES)), ids=CATEGORIES)
def test_every_shape_has_area_one_about_its_centroid_and_fits_its_table(category):
    table = distance_table(category).reshape(ROWS, ROWS // 2)
    inside = table < 0
    cell = (2 * REACH / ROWS) ** 2
    v = (np.arange(ROWS) + 0.5) * (2 * REACH / ROWS) - REACH
    assert 2 * inside.sum() * cell == pytest.approx(1, abs=0.01)
    assert 2 * (inside * v[:, None]).sum() * cell == pytest.approx(0, abs=0.01)
    assert extent(category) < REACH
    assert not inside[0].any()
    assert not inside[:, -1].any()


def test_a_distance_is_that_of_a_closed_form():
    """The arms of the cross are 0.6 wide and 2 long, so its area is 2.04; its top is flat."""
    scale = 1 / np.sqrt(2.04)
    table = distance_table(CATEGORIES.index("cross")).reshape(ROWS, ROWS // 2)
    v = (np.arange(ROWS) + 0.5) * (2 * REACH / ROWS) - REACH
    above = (v < -scale) & (v > -1.2)
    assert np.allclose(table[above, 0], -scale - v[above], atol=0.003)


def test_flip_pairs_mirror_each_other():
    ((left, right),) = FLIP_PAIRS
    for category in range(len(CATEGORIES)):
        points = keypoints(category)
        assert points[left] == (-points[right][0], points[right][1])
        assert all(points[k][0] == 0 for k in range(len(KEYPOINTS)) if k not in (left, right))


@pytest.mark.parametrize("pattern", range(len(PATTERNS)), ids=PATTERNS)
def test_patterns_are_grey_levels_that_vary(pattern):
    axis = np.linspace(-3, 3, 80, dtype=np.float32)
    grey = texture(pattern, axis[None, :] + 0 * axis[:, None], axis[:, None] + 0 * axis[None, :])
    assert grey.shape == (80, 80)
    assert grey.dtype == np.float32
    assert 0 <= grey.min() < 0.2
    assert 0.8 < grey.max() <= 1


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_images": 0}, "`num_images` must be a whole number of at least 1, got 0"),
        (
            {"image_size": 31},
            "`image_size` must be a whole number of at least 32 and at most 512, got 31",
        ),
        (
            {"image_size": 513},
            "`image_size` must be a whole number of at least 32 and at most 512, got 513",
        ),
        (
            {"num_categories": 1},
            "`num_categories` must be a whole number of at least 2 and at most 20, got 1",
        ),
        (
            {"num_categories": 21},
            "`num_categories` must be a whole number of at least 2 and at most 20, got",
        ),
        (
            {"first_category": 11},
            "`first_category` must be a whole number of at least 0 and at most 10, got",
        ),
        (
            {"max_others": -1},
            "`max_others` must be a whole number of at least 0 and at most 8, got -1",
        ),
        (
            {"seed": -1},
            "`seed` must be a whole number of at least 0 and at most 4294967295, got -1",
        ),
        ({"split": "dev"}, "`split` must be one of 'train', 'val', 'test', got 'dev'"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        Scenes(**{"num_images": 10, **arguments})


@pytest.mark.parametrize("value", [64.0, "64", True, None])
def test_arguments_of_another_type(value):
    with pytest.raises(TypeError, match="`image_size` must be a whole number, got"):
        Scenes(10, image_size=value)


@pytest.mark.parametrize("index", [-1, 10])
def test_an_index_outside(index):
    scenes = Scenes(10, image_size=32)
    with pytest.raises(IndexError, match=rf"`index` must be within 0 ... 9; got {index}"):
        scenes[index]
    with pytest.raises(IndexError, match=rf"got {index}"):
        scenes.read(index)
