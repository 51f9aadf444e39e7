"""Each corruption against its closed form, its law, or a naive loop."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from scipy.signal import convolve2d

from instdisc.analysis.robustness import CORRUPTIONS, corrupt, corruption_strip, corruptions
from instdisc.analysis.robustness.blurs import convolve, disk, line, smooth
from instdisc.analysis.robustness.strengths import STRENGTHS
from instdisc.data import Scenes

GREY = torch.full((1, 3, 64, 64), 128 / 255)
RANDOM = ("noise", "glass", "motion", "snow", "fog", "elastic")

RISING = ("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "motion_blur")
RISING += ("zoom_blur", "brightness", "contrast", "jpeg_compression")


@pytest.fixture(scope="module")
def images():
    scenes = Scenes(3, image_size=48)
    return torch.stack([scenes.read(k) for k in range(3)]).float() / 255


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_invariants(images, corruption):
    kept = images.clone()
    previous = -1.0
    for severity in range(1, 6):
        worse = corrupt(images, corruption, severity=severity, indices=torch.tensor([4, 8, 2]))
        assert worse.shape == images.shape
        assert worse.dtype == torch.float32
        levels = worse * 255
        torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
        assert 0 <= float(worse.min()) <= float(worse.max()) <= 1
        away = float((worse - images).square().mean())
        assert away > 0
        if corruption in RISING:
            assert away > previous
        previous = away
        # Neither neighbours nor the order matter.
        alone = corrupt(images[1:2], corruption, severity=severity, indices=torch.tensor([8]))
        torch.testing.assert_close(alone[0], worse[1], atol=1.1 / 255, rtol=0)
    assert torch.equal(images, kept)
    again = corrupt(images, corruption, severity=5, indices=torch.tensor([4, 8, 2]))
    assert torch.equal(again, worse)
    other = corrupt(images, corruption, severity=5, indices=torch.tensor([4, 8, 2]), seed=1)
    by_chance = any(word in corruption for word in RANDOM)
    assert torch.equal(other, worse) != by_chance


def test_every_corruption_has_five_strengths_of_one_form():
    for name, strengths in STRENGTHS.items():
        assert len(strengths) == 5, name
        assert len({len(strength) for strength in strengths}) == 1, name


def test_gaussian_noise_has_its_law():
    noisy = corrupt(GREY.repeat(8, 1, 1, 1), "gaussian_noise", severity=1) - GREY
    assert float(noisy.std()) == pytest.approx(0.08, rel=0.01)
    assert abs(float(noisy.mean())) < 1e-3
    # The same numbers at every severity, until they are cut off.
    more = corrupt(GREY, "gaussian_noise", severity=2) - GREY
    torch.testing.assert_close(more, noisy[:1] * 0.12 / 0.08, atol=0.8 / 255 * 2.5, rtol=0)


def test_shot_noise_is_poisson():
    for severity, photons in enumerate((60, 25, 12, 5, 3), 1):
        counts = corrupt(GREY.repeat(8, 1, 1, 1), "shot_noise", severity=severity) * photons
        counts = counts.round().long().flatten()
        law = stats.poisson(photons * 128 / 255)
        for k in range(photons):
            share = float((counts == k).double().mean())
            assert share == pytest.approx(law.pmf(k), abs=0.006)
        # More photons than white is white.
        assert float((counts == photons).double().mean()) == pytest.approx(
            law.sf(photons - 1), abs=0.006
        )
    black = torch.zeros(1, 3, 8, 8)
    assert torch.equal(corrupt(black, "shot_noise", severity=5), black)


def test_impulse_noise_is_half_salt_half_pepper():
    for severity, amount in enumerate((0.03, 0.06, 0.09, 0.17, 0.27), 1):
        noisy = corrupt(GREY.repeat(8, 1, 1, 1), "impulse_noise", severity=severity)
        assert float((noisy == 1).double().mean()) == pytest.approx(amount / 2, abs=0.004)
        assert float((noisy == 0).double().mean()) == pytest.approx(amount / 2, abs=0.004)
        assert float((noisy == GREY).double().mean()) == pytest.approx(1 - amount, abs=0.006)


def test_brightness_contrast_and_pixelate_are_closed_forms(images):
    bright = corrupt(images, "brightness", severity=2)
    hue = images.amax(1), bright.amax(1)
    torch.testing.assert_close(hue[1], (hue[0] + 0.2).clamp(max=1), atol=0.5 / 255 + 1e-6, rtol=0)
    black = torch.zeros(1, 3, 8, 8)
    assert float(corrupt(black, "brightness", severity=1).mean()) == pytest.approx(0.1, abs=0.002)
    flat = corrupt(images, "contrast", severity=3)
    means = images.mean((2, 3), keepdim=True)
    expected = means + 0.2 * (images - means)
    torch.testing.assert_close(flat, expected, atol=0.5 / 255 + 1e-6, rtol=0)
    blocks = corrupt(images, "pixelate", severity=5)  # 48 px to 12: blocks of 4 x 4
    loop = images.clone()
    for top in range(0, 48, 4):
        for left in range(0, 48, 4):
            block = images[:, :, top : top + 4, left : left + 4].mean((2, 3), keepdim=True)
            loop[:, :, top : top + 4, left : left + 4] = block
    torch.testing.assert_close(blocks, loop, atol=0.5 / 255 + 1e-6, rtol=0)


def test_smoothing_is_scipys(images):
    for sigma in (0.3, 1.7, 40.0):
        expected = ndimage.gaussian_filter(
            images.double().numpy(),
            (0, 0, sigma, sigma),
            mode="reflect",
            radius=(0, 0, math.ceil(3 * sigma), math.ceil(3 * sigma)),
        )
        torch.testing.assert_close(smooth(images.double(), sigma).numpy(), expected)
    assert smooth(images, 0.0) is images


def test_convolution_is_the_sum_it_stands_for(images):
    generator = torch.Generator().manual_seed(0)
    kernels = torch.rand(3, 7, 7, generator=generator)
    for row in range(3):
        for channel in range(3):
            padded = np.pad(images[row, channel].numpy(), 3, mode="edge")
            # Correlation: the kernel is laid on the image as it is.
            expected = convolve2d(padded, kernels[row].numpy()[::-1, ::-1], mode="valid")
            found = convolve(images, kernels)[row, channel]
            torch.testing.assert_close(found.numpy(), expected.astype(np.float32))


def test_kernels():
    for radius in (0.2, 0.86, 3.0, 10.0):
        kernel = disk(radius, torch.device("cpu"))[0]
        assert float(kernel.sum()) == pytest.approx(1)
        torch.testing.assert_close(kernel, kernel.T)
        torch.testing.assert_close(kernel, kernel.flip(0))
        half = kernel.shape[0] // 2
        share = 1 / (math.pi * radius**2)
        if radius >= 2:
            assert float(kernel[half, half]) == pytest.approx(share, rel=0.03)
    assert float(disk(0.2, torch.device("cpu"))[0, 1, 1]) == 1
    assert float(disk(0.01, torch.device("cpu"))[0, 1, 1]) == 1
    kernels = line(6.0, 2.0, torch.tensor([0.0, math.pi / 2, 0.4]))
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(3))
    half = kernels.shape[-1] // 2
    assert float(kernels[0, half].sum()) == pytest.approx(1)  # along x, from the middle on
    assert float(kernels[0, half, :half].sum()) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(kernels[1], kernels[0].T, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["defocus", "glass", "motion", "zoom"])
def test_blurs_keep_what_is_flat_and_smooth_the_rest(images, kind):
    blurred = corrupt(GREY, f"{kind}_blur", severity=5)
    torch.testing.assert_close(blurred, GREY, atol=1.1 / 255, rtol=0)
    if kind != "glass":  # shuffles pixels, too
        worse = corrupt(images, f"{kind}_blur", severity=5)
        assert worse.diff(dim=3).abs().mean() < images.diff(dim=3).abs().mean()


def test_glass_moves_pixels_and_invents_none():
    """Without the two blurs, which a view of few pixels hardly has, only values of the image."""
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    image = (image * 255).round() / 255
    worse = corrupt(image, "glass_blur", severity=2)
    pixels = {tuple(pixel) for pixel in (image[0].flatten(1).T * 255).round().tolist()}
    moved = {tuple(pixel) for pixel in (worse[0].flatten(1).T * 255).round().tolist()}
    assert moved <= pixels
    assert not torch.equal(worse, image)


def test_lengths_shrink_with_the_view():
    """A step edge, blurred at 224 px and at 112 px, is the same picture."""
    wide = torch.zeros(1, 3, 224, 224)
    wide[..., 112:] = 1
    small = wide[..., ::2, ::2]
    for corruption in ("defocus_blur", "zoom_blur"):
        at_224 = corrupt(wide, corruption, severity=4)
        halved = torch.nn.functional.avg_pool2d(at_224, 2)
        at_112 = corrupt(small, corruption, severity=4)
        torch.testing.assert_close(at_112, halved, atol=0.03, rtol=0)


def test_jpeg_is_the_file(images):
    import io

    from PIL import Image

    found = corrupt(images, "jpeg_compression", severity=2)
    pixels = (images[0] * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=18)
    again = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 255
    assert float((found[0] - again).abs().mean()) < 2 / 255


def test_fog_and_snow_whiten(images):
    for severity in range(1, 6):
        fog = corrupt(images, "fog", severity=severity)
        assert float(fog.std()) < float(images.std())
        snow = corrupt(images, "snow", severity=severity)
        assert float(snow.mean()) > float(images.mean())


def test_strip(images):
    figure = corruption_strip((images[0] * 255).byte(), severities=[1, 5], thumbnail=16)
    (axes,) = figure.axes
    assert axes.images[0].get_array().shape == (16 * len(CORRUPTIONS), 16 * 3, 3)
    with pytest.raises(TypeError, match="`image` must be of torch.uint8"):
        corruption_strip(images[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corruption": "frost"}, "`corruption` must be one of 'gaussian_noise'"),
        ({"severity": 6}, "`severity` must be a whole number of at least 1 and at most 5, got 6"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0"),
        ({"images": GREY[0]}, r"`images` must be a tensor \(B, 3, H, W\)"),
        ({"images": GREY * 255}, r"`images` must be in \[0, 1\], got 128.* Divide by 255"),
        ({"images": GREY.byte()}, "`images` must be of torch.float32"),
        ({"images": GREY / 0}, r"`images` must be in \[0, 1\]"),
        ({"indices": torch.arange(2)}, r"`indices` must be a tensor \(1,\)"),
    ],
)
def test_bad_input(change, message):
    asked = {"images": GREY, "corruption": "fog", **change}
    with pytest.raises((TypeError, ValueError), match=message):
        corrupt(asked.pop("images"), asked.pop("corruption"), **asked)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_the_smallest_images_and_none(corruption):
    images = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert corrupt(images, corruption, severity=5).isfinite().all()
    assert corrupt(images[:0], corruption).shape == (0, 3, 4, 5)
    with pytest.raises(ValueError, match="`images` must be at least 4 pixels wide and high"):
        corrupt(images[:, :, :3], corruption)


def test_what_is_no_list_and_no_index():
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for names in (None, "fog", 3):
        with pytest.raises(TypeError, match="`names` must be a sequence of texts"):
            corruptions(images, names)
    with pytest.raises(TypeError, match="`severities` must be a sequence of whole numbers"):
        corruptions(images, ["fog"], severities=3)
    with pytest.raises(TypeError, match="`indices` must be of torch.int64"):
        corrupt(images, "fog", indices=torch.zeros(2))
