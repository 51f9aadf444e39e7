import hashlib

import numpy as np
import pytest
import torch

from instdisc.data import Scenes
from instdisc.data.scenes.shapes import CATEGORIES, KEYPOINTS, keypoints
from instdisc.data.scenes.textures import PATTERNS

CENTRE, TOP, BOTTOM = (KEYPOINTS.index(name) for name in ("centre", "top", "bottom"))
LEFT, RIGHT = KEYPOINTS.index("left"), KEYPOINTS.index("right")


@pytest.fixture(scope="module")
def scenes():
    return Scenes(60, image_size=64, max_others=4)


@pytest.fixture(scope="module")
def factors(scenes):
    return scenes.factors()


def test_the_images_are_the_bytes_that_they_were_before_factors_were_told():
    digest = hashlib.sha256()
    for options in (
        {},
        {"image_size": 32, "max_others": 5, "split": "test"},
        {"image_size": 47, "num_categories": 20, "seed": 9},
        {"max_others": 0, "first_category": 10, "split": "val"},
    ):
        scenes = Scenes(40, **options)
        for index in range(40):
            for column in scenes[index]:
                if isinstance(column, torch.Tensor):
                    digest.update(column.numpy().tobytes())
    expected = "40d5b182c3471a4cb62e2a4d80ee46ffa1b2bd2561e12f06b8563735d6d54b63"
    assert digest.hexdigest() == expected


def test_shapes_and_types(factors):
    wide = {
        "light": 3,
        "light slope": 2,
        "background hue": 2,
        "background colour": 3,
        "background orientation": 2,
        "object hue": 2,
        "object colour": 3,
        "position": 2,
    }
    classes = {"background texture", "object texture", "category"}
    for name, column in factors.items():
        assert column.dtype == (torch.int64 if name in classes else torch.float64), name
        assert column.shape == ((60, wide[name]) if name in wide else (60,)), name
    assert len(factors) == 22


def test_position_orientation_and_aspect_are_those_of_the_keypoints(scenes, factors):
    for index in range(60):
        scene = scenes[index]
        main = int((scene.classes == scene.label).nonzero()[0])
        points = scene.keypoints[main, :, :2].double()
        assert (factors["position"][index] * 64).tolist() == pytest.approx(
            points[CENTRE].tolist(), abs=1e-4
        )
        axis = points[BOTTOM] - points[TOP]  # of a shape that stands upright: (0, length)
        turned = -np.degrees(np.arctan2(float(axis[0]), float(axis[1])))
        assert float(factors["orientation"][index]) == pytest.approx(turned, abs=1e-3)
        local = np.array(keypoints(scene.label))
        width = float((points[RIGHT] - points[LEFT]).norm()) / (local[RIGHT] - local[LEFT])[0]
        height = float(axis.norm()) / (local[BOTTOM] - local[TOP])[1]
        assert float(factors["aspect"][index]) == pytest.approx(np.log(width / height), abs=1e-4)
        size = np.sqrt(width * height) / 64
        assert float(factors["size"][index]) == pytest.approx(size, abs=1e-5)


def test_size_and_occlusion_are_those_of_the_visible_area():
    scenes = Scenes(60, image_size=96, max_others=4)
    factors = scenes.factors()
    covered = 0
    for index in range(60):
        scene = scenes[index]
        main = int((scene.classes == scene.label).nonzero()[0])
        left, top, right, bottom = scene.boxes[main].tolist()
        if min(left, top) == 0 or max(right, bottom) == 96:
            continue  # part of it is outside the image
        area = float(factors["size"][index] * 96) ** 2
        shown = 1 - int(scene.masks[main].sum()) / area
        assert float(factors["occlusion"][index]) == pytest.approx(shown, abs=0.02)
        covered += shown > 0.05
    assert covered > 3  # the rule was put to the test


def test_category_and_number_are_those_of_the_scene(scenes, factors):
    assert torch.equal(factors["category"], scenes.labels)
    numbers = [len(scenes[index].boxes) for index in range(60)]
    assert factors["number of objects"].tolist() == numbers


def test_an_object_alone_is_not_covered_and_one():
    factors = Scenes(20, image_size=32, max_others=0, first_category=10).factors()
    assert factors["occlusion"].abs().max() == 0
    assert set(factors["number of objects"].tolist()) == {1.0}
    assert sorted(factors["category"].unique().tolist()) == list(range(10))


def test_colours_are_those_of_the_pixels():
    scenes = Scenes(120, image_size=48, max_others=0)
    factors = scenes.factors()
    seen = {"background colour": [], "object colour": []}
    for index in range(120):
        scene = scenes[index]
        image, mask = scene.image.double() / 255, scene.masks[0]
        seen["background colour"].append(image[:, ~mask].mean(1))
        seen["object colour"].append(image[:, mask].mean(1))
    for name, rows in seen.items():
        pixels = torch.stack(rows)
        for channel in range(3):
            pair = torch.stack([pixels[:, channel], factors[name][:, channel]])
            assert float(torch.corrcoef(pair)[0, 1]) > 0.95  # shadow and rim darken alike


def test_hues_are_on_the_circle_and_far_apart_ones_look_so(factors):
    for name in ("background hue", "background orientation", "object hue"):
        assert factors[name].norm(dim=1).tolist() == pytest.approx([1] * 60)
    # It is the hue of the brighter colour: where the hue is red, the brightest pixels are.
    many = Scenes(150, image_size=32, max_others=0)
    rows = []
    for index in range(150):
        scene = many[index]
        pixels = scene.image[:, scene.masks[0]].double()  # (3, pixels)
        value = pixels.max(0).values
        mean = pixels[:, value >= value.quantile(0.8)].mean(1)
        rows.append(mean[0] - mean.mean())
    pair = torch.stack([torch.stack(rows), many.factors()["object hue"][:, 0]])
    assert float(torch.corrcoef(pair)[0, 1]) > 0.8


def test_an_object_mostly_wears_the_pattern_of_its_category():
    factors = Scenes(400, image_size=32).factors()
    own = factors["object texture"] == factors["category"] % len(PATTERNS)
    # 0.8 by the link, and a tenth of the rest by chance.
    assert float(own.double().mean()) == pytest.approx(0.82, abs=0.06)


def test_factors_of_some_are_those_of_all_at_their_places(scenes, factors):
    few = scenes.factors(torch.tensor([7, 2, 7]))
    for name, column in few.items():
        assert torch.equal(column, factors[name][[7, 2, 7]]), name


def test_the_main_object_is_a_row_of_the_objects(scenes, factors):
    for index in range(10):
        objects = scenes.object_factors(index)
        main = int((scenes[index].classes == scenes[index].label).nonzero()[0])
        assert torch.equal(objects["category"], scenes[index].classes)
        for name, column in objects.items():
            whole = name if name in factors else f"object {name}"
            assert torch.equal(column[main], factors[whole][index]), name


def test_categories_are_numbered_from_the_first():
    scenes = Scenes(20, image_size=32, first_category=5, num_categories=len(CATEGORIES) - 5)
    assert torch.equal(scenes.factors()["category"], scenes.labels)


@pytest.mark.parametrize("positions", [[60], [-1]])
def test_a_position_outside_is_refused(scenes, positions):
    with pytest.raises(IndexError, match="`positions` must lie in 0 to 59"):
        scenes.factors(torch.tensor(positions))


def test_a_scene_outside_is_refused(scenes):
    with pytest.raises(IndexError, match="`index` must be within 0 ... 59; got 60"):
        scenes.object_factors(60)
