"""The colour steps against torchvision's operators, image by image."""

from itertools import permutations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as TF

from instdisc.data import (
    ColorJitter,
    Draws,
    GaussianBlur,
    PhotometricStep,
    RandomGrayscale,
    RandomResizedCrop,
    RandomSolarize,
    ViewFinisher,
    ViewPolicy,
)
from instdisc.data.views import operators
from instdisc.data.views.dataset import RawViews
from instdisc.data.views.operators import gaussian_blur, grey
from instdisc.data.views.photometric import JITTER_ORDERS


def on_images(operator):
    """An operator on planes as one on images ``(B, 3, H, W)`` and numbers ``(B,)``."""
    return lambda images, numbers: torch.stack(
        operator(list(images.unbind(1)), numbers[:, None, None]), 1
    )


adjust_brightness = on_images(operators.brightness)
adjust_contrast = on_images(operators.contrast)
adjust_saturation = on_images(operators.saturation)
adjust_hue = on_images(operators.hue)

OPERATORS = [
    (adjust_brightness, TF.adjust_brightness, [0.0, 0.6, 1.0, 1.4, 2.0]),
    (adjust_contrast, TF.adjust_contrast, [0.0, 0.6, 1.0, 1.4, 2.0]),
    (adjust_saturation, TF.adjust_saturation, [0.0, 0.6, 1.0, 1.4, 2.0]),
    (adjust_hue, TF.adjust_hue, [-0.5, -0.1, 0.0, 0.05, 0.4]),
]
NEUTRAL = [1.0, 1.0, 1.0, 0.0]


def pictures(count: int = 5, height: int = 12, width: int = 17) -> torch.Tensor:
    """Noise, with black, white, grey and pure colours among it."""
    images = torch.rand(count, 3, height, width)
    images[:, :, 0, :6] = torch.tensor(
        [[0, 0, 0], [1, 1, 1], [0.3, 0.3, 0.3], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    ).T
    return images


@pytest.mark.parametrize(("ours", "reference", "factors"), OPERATORS)
def test_operator_is_torchvisions(ours, reference, factors):
    images = pictures()
    expected = torch.stack([reference(x, f) for x, f in zip(images, factors, strict=True)])
    torch.testing.assert_close(ours(images, torch.tensor(factors)), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("ours", "reference", "factors"), OPERATORS)
def test_a_batch_is_its_images_one_by_one(ours, reference, factors):
    images, factors = pictures(), torch.tensor(factors)
    alone = torch.cat([ours(images[i : i + 1], factors[i : i + 1]) for i in range(len(images))])
    torch.testing.assert_close(ours(images, factors), alone, atol=1e-6, rtol=0)


def test_grayscale_is_torchvisions():
    images = pictures()
    expected = TF.rgb_to_grayscale(images, 3)
    torch.testing.assert_close(RandomGrayscale().apply(images, torch.ones(5, 1)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_grey_are_those_that_were_drawn(dtype):
    images = torch.rand(2, 3, 4, 5, dtype=dtype)
    found = RandomGrayscale().apply(images, torch.tensor([[1.0], [0.0]]))
    assert torch.equal(found, torch.stack([grey(images.unbind(1))[0].expand(3, 4, 5), images[1]]))


def test_hue_turns_back():
    images = pictures()
    there = adjust_hue(images, torch.full((5,), 0.2))
    torch.testing.assert_close(adjust_hue(there, torch.full((5,), -0.2)), images, atol=1e-5, rtol=0)
    thirds = adjust_hue(images, torch.full((5,), 1 / 3))  # red becomes green
    torch.testing.assert_close(thirds, images.roll(1, dims=1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("radius", [1, 3, 6])
def test_blur_is_torchvisions(radius):
    images, sigmas = pictures(), [0.1, 0.5, 1.0, 2.0, 5.0]
    size = [2 * radius + 1] * 2
    expected = [TF.gaussian_blur(x, size, [s, s]) for x, s in zip(images, sigmas, strict=True)]
    found = gaussian_blur(images, torch.tensor(sigmas), radius)
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (4, 2), (3, 12)])
def test_blur_of_an_image_smaller_than_the_kernel(height, width):
    images = torch.rand(2, 3, height, width)
    reach = [2 * (min(6, side - 1)) + 1 for side in (width, height)]
    expected = TF.gaussian_blur(images, reach, [1.5, 1.5])
    found = gaussian_blur(images, torch.full((2,), 1.5), radius=6)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_blur_keeps_what_is_constant():
    images = torch.full((2, 3, 9, 9), 0.3)
    torch.testing.assert_close(gaussian_blur(images, torch.tensor([0.7, 2.0]), 6), images)


@pytest.mark.parametrize("order", range(len(JITTER_ORDERS)))
def test_neutral_factors_change_nothing_in_any_order(order):
    images = pictures()
    numbers = torch.tensor([[*NEUTRAL, order]] * 5)
    assert torch.equal(ColorJitter(0.4, 0.4, 0.4, 0.1).apply(images, numbers), images)


@pytest.mark.parametrize(
    "step", [ColorJitter(0.4, 0.4, 0.4, 0.1), RandomGrayscale(), GaussianBlur(), RandomSolarize()]
)
def test_steps_name_their_neutral_numbers(step):
    images = pictures()
    numbers = torch.tensor([step.neutral] * 5)
    assert len(step.neutral) == step.num_numbers
    assert torch.equal(step.apply(images, numbers), images)


def test_solarize_is_torchvisions():
    images = pictures()
    expected = TF.solarize(images, 0.5)
    assert torch.equal(RandomSolarize().apply(images, torch.ones(5, 1)), expected)


def test_a_changed_image_leaves_its_neighbours_alone():
    images = pictures()
    numbers = torch.tensor([[*NEUTRAL, 0.0]] * 5)
    numbers[2] = torch.tensor([1.2, 0.7, 1.3, 0.1, 5.0])
    found = ColorJitter(0.4, 0.4, 0.4, 0.1).apply(images, numbers)
    changed = (found != images).flatten(1).any(1)
    assert changed.tolist() == [False, False, True, False, False]


def jitter_by_torchvision(image: torch.Tensor, numbers: list[float]) -> torch.Tensor:
    for position in JITTER_ORDERS[int(numbers[4])]:
        image = OPERATORS[position][1](image, numbers[position])
    return image


def test_jitter_is_torchvisions_in_all_orders_at_once():
    assert sorted(JITTER_ORDERS) == sorted(permutations(range(4)))
    draws = Draws(5, 0, range(len(JITTER_ORDERS)), 0)
    numbers = torch.from_numpy(ColorJitter(0.6, 0.6, 0.6, 0.4, p=1.0).draw(draws)).float()
    numbers[:, 4] = torch.arange(len(JITTER_ORDERS))
    images = pictures(len(JITTER_ORDERS))
    found = ColorJitter(0.4, 0.4, 0.4, 0.1).apply(images, numbers)
    rows = zip(images, numbers.tolist(), strict=True)
    expected = torch.stack([jitter_by_torchvision(*row) for row in rows])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_forms_of_the_jitter_are_all_its_orders():
    jitter, count = ColorJitter(0.4, 0.4, 0.4, 0.1), len(JITTER_ORDERS)
    numbers = torch.tensor([[1.3, 0.6, 1.4, -0.1, order] for order in range(count)])
    (forms, arranged), images = jitter.arrange(numbers), pictures(count)
    assert forms.bincount(minlength=jitter.num_forms).tolist() == [count // jitter.num_forms] * 6
    expected = jitter.apply(images, numbers)
    for form in range(jitter.num_forms):
        rows = forms == form
        found = jitter.compute(form, images[rows], arranged[rows])
        torch.testing.assert_close(found, expected[rows], atol=1e-6, rtol=0)
        neutral = torch.tensor([[*NEUTRAL, order] for order in rows.nonzero()[:, 0].tolist()])
        same = jitter.compute(form, images[rows], jitter.arrange(neutral)[1])
        assert torch.equal(same, images[rows])


def test_forms_of_a_parent_are_not_those_of_an_apply_of_ones_own():
    class Darker(ColorJitter):
        def apply(self, images, numbers):
            return images / 2

    class Stronger(ColorJitter):
        def draw(self, draws):
            return super().draw(draws)

    assert (Darker.num_forms, Stronger.num_forms) == (1, 6)
    images, numbers = pictures(), torch.tensor([[1.3, 0.6, 1.4, -0.1, 20.0]] * 5)
    policy = ViewPolicy(RandomResizedCrop(8), [Darker(0.4, 0.4, 0.4, 0.1)])
    raw = RawViews([images.mul(255).byte()], [numbers], torch.zeros(5), torch.zeros(5))
    (found,) = ViewFinisher([policy])(raw).images
    torch.testing.assert_close(found, policy.finish(raw.views[0], numbers))


def test_each_order_of_the_jitter_is_another():
    numbers = torch.tensor([[1.6, 1.7, 1.8, 0.2, order] for order in range(len(JITTER_ORDERS))])
    images = pictures(1).expand(len(numbers), -1, -1, -1)
    found = ColorJitter(0.4, 0.4, 0.4, 0.1).apply(images, numbers)
    assert torch.pdist(found.flatten(1), p=torch.inf).min() > 1e-3


def test_apply_stays_in_range():
    steps = [ColorJitter(1, 1, 1, 0.5, p=1.0), RandomGrayscale(0.5), GaussianBlur(p=1.0)]
    steps.append(RandomSolarize(0.5))
    draws = Draws(0, 0, range(32), 0)
    images = pictures(32)
    for step in steps:
        numbers = torch.from_numpy(step.draw(draws)).float()
        assert numbers.shape == (32, step.num_numbers)
        images = step.apply(images, numbers)
        assert images.min() >= 0
        assert images.max() <= 1 + 1e-6


def test_jitter_draws_from_its_ranges():
    drawn = ColorJitter(0.4, 0.2, 0.0, 0.1, p=0.8).draw(Draws(0, 0, range(4000), 0))
    neutral = (drawn == [*NEUTRAL, 0.0]).all(1)
    assert neutral.mean() == pytest.approx(0.2, abs=0.03)
    assert ((drawn[:, :4] == NEUTRAL).all(1) == neutral).all()
    drawn = drawn[~neutral, :4]
    low, high = np.array([0.6, 0.8, 1.0, -0.1]), np.array([1.4, 1.2, 1.0, 0.1])
    assert (drawn >= low).all()
    assert (drawn <= high).all()
    np.testing.assert_allclose(drawn.mean(0), (low + high) / 2, atol=0.02)
    np.testing.assert_allclose(drawn.std(0), (high - low) / 12**0.5, atol=0.02)


def test_grayscale_and_blur_draw_by_chance():
    draws = Draws(0, 0, range(4000), 0)
    grey = RandomGrayscale(0.2).draw(draws)
    assert set(grey.ravel()) == {0.0, 1.0}
    assert grey.mean() == pytest.approx(0.2, abs=0.03)
    assert RandomSolarize(0.1).draw(draws).mean() == pytest.approx(0.1, abs=0.03)
    sigma = GaussianBlur(0.5, 2.0, p=0.5).draw(draws)
    assert (sigma > 0).mean() == pytest.approx(0.5, abs=0.03)
    sigma = sigma[sigma > 0]
    assert sigma.min() >= 0.5
    assert sigma.max() <= 2.0
    assert sigma.mean() == pytest.approx(1.25, abs=0.05)


def test_a_step_that_takes_an_order_works_with_a_warning():
    with pytest.warns(FutureWarning, match="`Fade.apply` takes a third argument") as warned:

        class Fade(GaussianBlur):
            def apply(self, images, numbers, order):
                assert order == 0
                return images / 2

    assert [warning.filename for warning in warned] == [__file__]
    images = pictures()
    assert torch.equal(Fade().apply(images, torch.ones(5, 1)), images / 2)
    policy = ViewPolicy(RandomResizedCrop(8), [Fade(p=1.0)])
    raw = RawViews([images.mul(255).byte()], [torch.ones(5, 1)], torch.zeros(5), torch.zeros(5))
    (found,) = ViewFinisher([policy])(raw).images
    torch.testing.assert_close(found, policy.finish(raw.views[0], raw.numbers[0]))


@pytest.mark.parametrize("extra", [{}, {"order": 0}])
def test_a_step_that_need_not_have_an_order_says_nothing(extra):
    class Fade(PhotometricStep):
        num_numbers = 1

        def draw(self, draws):
            return np.zeros((len(draws), 1))

        if extra:

            def apply(self, images, numbers, order=0):
                return images / 2
        else:

            def apply(self, images, numbers, *rest, **options):
                return images / 2

    images = pictures()
    assert torch.equal(Fade().apply(images, torch.ones(5, 1)), images / 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ColorJitter(1.5, 0, 0, 0),
            r"`brightness` must be a finite number of at least 0 and at most 1, got 1.5",
        ),
        (
            lambda: ColorJitter(0, -0.1, 0, 0),
            r"`contrast` must be a finite number of at least 0 and at most 1, got -0.1",
        ),
        (
            lambda: ColorJitter(0, 0, float("nan"), 0),
            r"`saturation` must be a finite number of at least 0 and at most 1, got",
        ),
        (
            lambda: ColorJitter(0, 0, 0, 0.6),
            r"`hue` must be a finite number of at least 0 and at most 0.5, got 0.6",
        ),
        (
            lambda: ColorJitter(0, 0, 0, 0, p=1.1),
            r"`p` must be a finite number of at least 0 and at most 1, got 1.1",
        ),
        (
            lambda: RandomGrayscale(-1),
            r"`p` must be a finite number of at least 0 and at most 1, got -1",
        ),
        (lambda: GaussianBlur(0.0, 1.0), r"`low` must be a finite number above 0, got 0.0"),
        (lambda: GaussianBlur(2.0, 1.0), r"`low` must be at most `high`=1.0, got 2.0"),
        (
            lambda: RandomSolarize(1.5),
            r"`p` must be a finite number of at least 0 and at most 1, got 1.5",
        ),
        (
            lambda: RandomSolarize(threshold=2),
            r"`threshold` must be a finite number of at least 0 and at most 1, got 2",
        ),
        (
            lambda: GaussianBlur(p=2),
            r"`p` must be a finite number of at least 0 and at most 1, got 2",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
