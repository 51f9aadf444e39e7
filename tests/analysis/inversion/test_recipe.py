import pytest

from instdisc.analysis.inversion import DIP_RECIPE, ZHAO_RECIPE


def test_published_numbers():
    assert ZHAO_RECIPE == (
        (16, 32, 64, 128, 128, 128),
        (7, 7, 5, 5, 3, 3),
        4,
        32,
        0.1,
        False,
        3000,
        1e-3,
    )
    assert ZHAO_RECIPE._replace(sigmoid=True, steps=3100) == DIP_RECIPE


@pytest.mark.parametrize(
    ("size", "depth", "canvas"),
    [
        ((224, 224), 6, (256, 256)),
        ((256, 256), 6, (256, 256)),
        ((64, 64), 4, (64, 64)),
        ((32, 32), 3, (32, 32)),
        ((60, 100), 4, (64, 112)),
        ((7, 7), 1, (8, 8)),
    ],
)
def test_levels_that_an_image_has_room_for(size, depth, canvas):
    recipe = ZHAO_RECIPE.shaped(size)
    assert recipe.channels == ZHAO_RECIPE.channels[:depth]
    assert recipe.kernels == ZHAO_RECIPE.kernels[:depth]
    assert recipe.canvas(size) == canvas


def test_channels_and_kernels_of_a_users_own():
    recipe = ZHAO_RECIPE.shaped((512, 512), channels=[32] * 7)
    assert recipe.channels == (32,) * 7
    assert recipe.kernels == (7, 7, 5, 5, 3, 3, 3)
    assert ZHAO_RECIPE.shaped((64, 64), channels=[8, 8], kernels=[3, 5]).kernels == (3, 5)
    assert ZHAO_RECIPE.shaped((64, 64), depth=5).channels == (16, 32, 64, 128, 128)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 6}, "`depth` must be at most 4 for images of 64 x 64 px, got 6"),
        ({"depth": 7}, "`depth` must be a whole number of at least 1 and at most 6, got 7"),
        ({"channels": []}, "`channels` must be a list of at least one"),
        ({"channels": [0]}, "`channels` must be a whole number of at least 1, got 0"),
        ({"kernels": [4] * 6}, "`kernels` must be odd, got 4"),
        ({"kernels": [3]}, "`kernels` must be one for each of the 4 levels"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        ZHAO_RECIPE.shaped((64, 64), **options)


def test_refuses_an_image_without_room():
    with pytest.raises(ValueError, match="`images` must be of at least 7 px a side"):
        ZHAO_RECIPE.shaped((6, 6))
