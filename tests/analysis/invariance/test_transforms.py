import math

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from instdisc.analysis.invariance import TRANSFORMS, Transform, transform_images
from instdisc.analysis.invariance.transforms import check_transforms


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(4, 3, 8, 8, generator=generator)
    return torch.nn.functional.interpolate(rough, (32, 32), mode="bilinear").contiguous()


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_strength_zero_gives_the_images_themselves(images, name):
    assert transform_images(images, name, 0) is images


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_stronger_changes_more_and_shape_and_range_stay(images, name):
    before = 0.0
    for strength in TRANSFORMS[name].strengths:
        changed = transform_images(images, name, strength)
        assert changed.shape == images.shape
        assert changed.dtype == images.dtype
        assert float(changed.min()) >= -1e-5
        assert float(changed.max()) <= 1 + 1e-5
        moved = float((changed - images).abs().mean())
        assert moved > 1e-4
        if name not in ("translation", "rotation", "hue"):  # these come around
            assert moved > before
        before = moved


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_an_image_is_changed_alike_in_any_batch_and_left_as_it_is(images, name):
    kept = images.clone()
    strength = TRANSFORMS[name].strengths[1]
    positions = torch.tensor([5, 2, 7, 4])
    whole = transform_images(images, name, strength, positions)
    alone = transform_images(images[2:3], name, strength, positions[2:3])
    assert torch.allclose(whole[2], alone[0], atol=1e-6)
    assert torch.equal(images, kept)


def test_a_crop_is_the_middle_enlarged(images):
    middle = images[..., 8:24, 8:24]
    expected = tv.resize(middle, [32, 32], antialias=True)
    assert torch.allclose(transform_images(images, "crop", 0.5), expected, atol=1e-6)


def test_scale_puts_the_small_image_in_the_middle_and_mirrors_around(images):
    small = tv.resize(images, [16, 16], antialias=True)
    changed = transform_images(images, "scale", 0.5)
    assert torch.allclose(changed[..., 8:24, 8:24], small, atol=1e-6)
    assert torch.allclose(changed[..., 8:24, 7], changed[..., 8:24, 9], atol=1e-6)


def test_translation_shifts_by_whole_pixels_in_four_directions(images):
    changed = transform_images(images, "translation", 4 / 32)
    assert torch.equal(changed[0][..., 4:], images[0][..., :-4])  # right
    assert torch.equal(changed[1][:, 4:], images[1][:, :-4])  # down
    assert torch.equal(changed[2][..., :-4], images[2][..., 4:])  # left
    assert torch.equal(changed[3][:, :-4], images[3][:, 4:])  # up
    # What comes in is mirrored.
    assert torch.equal(changed[0][..., :4], images[0][..., 1:5].flip(-1))


def test_rotation_by_a_quarter_turns_the_pixels(images):
    changed = transform_images(images, "rotation", 90)
    assert torch.allclose(changed[0], images[0].rot90(1, (1, 2)), atol=1e-4)
    assert torch.allclose(changed[1], images[1].rot90(-1, (1, 2)), atol=1e-4)  # the other way


def test_hue_turns_both_ways(images):
    changed = transform_images(images, "hue", 0.1)
    assert torch.allclose(changed[0], tv.adjust_hue(images[0], 0.1), atol=1e-6)
    assert torch.allclose(changed[1], tv.adjust_hue(images[1], -0.1), atol=1e-6)
    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 1
    assert transform_images(red, "hue", 1 / 3)[0, :, 0, 0].tolist() == pytest.approx([0, 1, 0])


def test_colours_in_closed_form(images):
    assert torch.allclose(transform_images(images, "brightness", 0.25), 0.75 * images)
    grey = transform_images(images, "grey", 1)
    assert float(grey.std(1).max()) < 1e-6
    half = transform_images(images, "grey", 0.5)
    assert torch.allclose(half, (images + grey) / 2, atol=1e-6)


def test_blur_is_a_gaussian_of_that_width():
    point = torch.zeros(1, 3, 65, 65)
    point[..., 32, 32] = 1
    line = transform_images(point, "blur", 2 / 65)[0, 0].sum(0).double()
    assert float(line.sum()) == pytest.approx(1, abs=1e-5)
    places = torch.arange(65) - 32.0
    deviation = math.sqrt(float((line * places**2).sum()))
    assert deviation == pytest.approx(2, abs=0.03)  # cut at three sigma


def test_noise_has_that_deviation_and_no_state():
    grey = torch.full((2, 3, 64, 64), 0.5)
    before = torch.get_rng_state()
    changed = transform_images(grey, "noise", 0.1)
    assert torch.equal(torch.get_rng_state(), before)
    assert float((changed - grey).std()) == pytest.approx(0.1, abs=0.003)
    assert not torch.equal(changed[0], changed[1])
    twice = transform_images(grey, "noise", 0.05) - grey
    assert torch.allclose(2 * twice, changed - grey, atol=1e-5)  # the same noise, weaker


def test_a_transform_of_a_user(images, monkeypatch):
    darker = Transform(lambda batch, strength, positions: batch - strength, (0.1,), "grey levels")
    monkeypatch.setitem(TRANSFORMS, "darker", darker)
    assert torch.allclose(transform_images(images, "darker", 0.1), images - 0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("twirl", 0.1), "`name` must be one of 'crop', .*got 'twirl'"),
        (("crop", -0.1), "`strength` must be a finite number of at least 0"),
        (("hue", 0.6), "at most 0.5, got 0.6. For 'hue' it is in: share of circle"),
        (("noise", math.nan), "`strength` must be a finite number"),
    ],
)
def test_bad_arguments_are_refused(images, arguments, message):
    with pytest.raises(ValueError, match=message):
        transform_images(images, *arguments)


def test_images_that_are_not_square_are_refused(images):
    with pytest.raises(ValueError, match=r"`images` must be a tensor \(B, 3, S, S\)"):
        transform_images(images[..., :20], "crop", 0.1)
    with pytest.raises(TypeError, match="`images` must be of torch.float32"):
        transform_images((255 * images).byte(), "crop", 0.1)


def test_extreme_strengths_of_small_images():
    tiny = torch.from_numpy(np.random.RandomState(0).rand(2, 3, 32, 32)).float()
    for name, transform in TRANSFORMS.items():
        most = min(transform.most, 10)
        assert bool(transform_images(tiny, name, most).isfinite().all()), name


@pytest.mark.parametrize(("name", "side"), [("translation", 4), ("scale", 5), ("blur", 9)])
def test_images_too_small_for_a_border(name, side):
    small = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    strength = TRANSFORMS[name].most
    with pytest.raises(ValueError, match="`images` must be wider than a border of . pixels, got"):
        transform_images(small, name, strength)


def test_a_transform_stands_there_once():
    with pytest.raises(ValueError, match="`transforms` must be names each of which stands there"):
        check_transforms(["grey", "grey"], None)
