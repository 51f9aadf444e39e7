"""The schedule, and how it follows the batch."""

import pytest

from instdisc.transfer import (
    COCO_1X_RECIPE,
    COCO_2X_RECIPE,
    VOC07_RECIPE,
    VOC0712_RECIPE,
    DetectionModule,
    DetectionRecipe,
)
from instdisc.transfer.detection.recipe import check_recipe, rate_factor


def test_published_recipes():
    assert VOC07_RECIPE == (9000, 16, 0.02, (6000, 8000), 100)
    assert VOC0712_RECIPE == (24000, 16, 0.02, (18000, 22000), 100)
    assert COCO_1X_RECIPE[:4] == (90000, 16, 0.02, (60000, 80000))
    assert COCO_2X_RECIPE[:4] == (180000, 16, 0.02, (120000, 160000))


@pytest.mark.parametrize("batch", [1, 2, 8, 16, 32])
def test_the_linear_rule_shows_as_many_images(batch):
    scaled = VOC07_RECIPE.for_batch(batch)
    assert scaled.batch_size == batch
    assert scaled.iterations * batch == 9000 * 16
    assert scaled.learning_rate / batch == pytest.approx(0.02 / 16)
    assert [one * batch for one in scaled.milestones] == [6000 * 16, 8000 * 16]
    assert scaled.warmup * batch == 1600
    check_recipe(scaled)


def test_warm_up_and_milestones():
    def factor(step):
        return rate_factor(step, milestones=(6000, 8000), warmup=100)

    assert factor(0) == pytest.approx(1e-3)
    assert factor(50) == pytest.approx(0.5005)
    assert [factor(step) for step in (100, 5999, 6000, 7999, 8000)] == [1, 1, 0.1, 0.1, 0.01]
    assert rate_factor(0, milestones=(), warmup=0) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iterations": 0}, "`iterations` must be positive, got 0"),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive, got 0.0"),
        ({"warmup": -1}, "`warmup` must be at least 0 iterations, got -1"),
        ({"milestones": (8, 6)}, r"`milestones` are iterations and must increase .* \(8, 6\)"),
        ({"milestones": (0.6, 0.8)}, "must increase from 1 on"),
    ],
)
def test_bad_recipes(change, message):
    with pytest.raises(ValueError, match=message):
        check_recipe(VOC07_RECIPE._replace(**change))


def test_bad_batch():
    with pytest.raises(ValueError, match="`batch_size` must be a whole number of at least 1"):
        VOC07_RECIPE.for_batch(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -1.0}, "`learning_rate` must be a finite number above 0"),
        ({"milestones": (8, 6)}, "`milestones` are iterations"),
        ({"precise_batches": -1}, "`precise_batches` must be a whole number of at least 0, got -1"),
        ({"protocols": ("voc",)}, r"`protocols` must be .*, got \('voc',\)"),
        ({"protocols": "coco"}, "`protocols` must be a sequence of"),
        ({"backbone": "no/file.pt"}, "`backbone` must be .* got 'no/file.pt', which is no file"),
    ],
)
def test_bad_modules(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        DetectionModule(options.pop("backbone", "test_resnet"), 2, **options)


def test_the_recipe_is_a_tuple_of_json_values():
    assert DetectionRecipe(*[9, 2, 0.1, [6], 1]).for_batch(2).milestones == (6,)
