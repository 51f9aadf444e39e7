"""A user's own steps, with all that they may give back."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from instdisc.data import (
    ColorJitter,
    Draws,
    GaussianBlur,
    PhotometricStep,
    RandomResizedCrop,
    SegmentPolicy,
    ViewFinisher,
    ViewPolicy,
)
from instdisc.data.views.dataset import RawViews


class Darken(PhotometricStep):
    num_numbers = 1
    neutral = (0.0,)
    compiles = False

    def draw(self, draws):
        return draws.chance(0.5)[:, None]

    def apply(self, images, numbers):
        return images * (1 - numbers[:, :, None, None] / 2)


class Halved:
    """Not a step itself."""

    def apply(self, images, numbers):
        return super().apply(images, numbers) / 2


def finished(steps, *, neutral, compile=False):
    """By the plain way and by the fast one."""
    for step in steps:
        if isinstance(step, Darken):
            step.neutral = neutral
    policy = ViewPolicy(RandomResizedCrop(12), steps)
    numbers = policy.draw(Draws(0, 0, list(range(7)), 0)).photometric
    generator = torch.Generator().manual_seed(1)
    views = torch.randint(0, 256, (7, 3, 12, 12), dtype=torch.uint8, generator=generator)
    raw = RawViews([views], [numbers], torch.zeros(7), torch.zeros(7))
    (images,) = ViewFinisher([policy], compile=compile)(raw).images
    return policy.finish(views, numbers), images


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("neutral", [(0.0,), None])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_step_may_return_another_type(neutral, place, dtype, compile):
    class Typed(Darken):
        def apply(self, images, numbers):
            return super().apply(images, numbers).to(dtype)

    steps = [ColorJitter(0.4, 0.4, 0.4, 0.1), GaussianBlur(p=1.0)]
    steps.insert(place, Typed())
    expected, images = finished(steps, neutral=neutral, compile=compile)
    assert images.dtype == expected.dtype == torch.float32
    # On the CPU only views that the step changes are rounded.
    close = 1e-4 if dtype == torch.float64 else 0.05
    torch.testing.assert_close(images, expected, atol=close, rtol=0)


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_a_step_returns_is_never_written_to(place, compile):
    kept = torch.full((7, 1, 12, 12), 0.5)

    class Kept(Darken):
        def apply(self, images, numbers):
            return kept.expand_as(images)  # its own, and each value three times

    steps = [ColorJitter(0.4, 0.4, 0.4, 0.1), GaussianBlur(p=1.0)]
    steps.insert(place, Kept())
    expected, images = finished(steps, neutral=None, compile=compile)
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=0)
    assert bool((kept == 0.5).all())


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("neutral", [(0.0,), None])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: images[:, :, 2:], r"float32 \(\d, 3, 10, 12\)"),
        (lambda images: images.mean(1, keepdim=True), r"float32 \(\d, 1, 12, 12\)"),
        (lambda images: (255 * images).byte(), r"uint8 \(\d, 3, 12, 12\)"),
    ],
)
def test_a_step_must_return_images_like_those_it_takes(neutral, change, message, compile):
    class Wrong(Darken):
        def apply(self, images, numbers):
            return change(images)

    with pytest.raises(ValueError, match=f"`Wrong.apply` must return .* got torch.{message}"):
        finished([Wrong()], neutral=neutral, compile=compile)
    policy = ViewPolicy(RandomResizedCrop(12), [Wrong()])
    raw = RawViews(
        [torch.zeros(7, 3, 12, 12, dtype=torch.uint8)],
        [torch.ones(7, 1)],
        torch.zeros(7),
        torch.zeros(7),
    )
    with pytest.raises(ValueError, match=r"`Wrong.apply` must return"):
        ViewFinisher([policy], compile=compile)(raw)


@pytest.mark.parametrize(
    ("numbers", "got"),
    [
        # Of before the order was among them.
        (lambda draws: np.ones((len(draws), 4)), r"\(2, 4\). The last is the order"),
        (lambda draws: np.ones(len(draws)), r"\(2,\)"),
    ],
)
def test_a_step_must_draw_as_many_numbers_as_it_says(numbers, got):
    class Mine(ColorJitter):
        def draw(self, draws):
            return numbers(draws)

    steps = [Mine(0.4, 0.4, 0.4, 0.1)]
    message = rf"`Mine.draw` must return `num_numbers`=5 numbers .*\(2, 5\), got {got}"
    for policy in (ViewPolicy(RandomResizedCrop(12), steps), SegmentPolicy(12, photometric=steps)):
        with pytest.raises(ValueError, match=message):
            policy.draw(Draws(0, 0, [0, 1], 0))


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("parent", [ColorJitter, GaussianBlur])
def test_an_apply_that_comes_from_beside_the_step_is_used(parent, compile):
    class Mine(Halved, parent):
        compiles = False

    strengths = (0.4, 0.4, 0.4, 0.1) if parent is ColorJitter else ()
    expected, images = finished([Mine(*strengths, p=1.0)], neutral=None, compile=compile)
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("compile", [False, True])
def test_a_step_need_not_be_hashable(compile):
    @dataclass
    class Fade(Darken):
        share: float = 0.5

    expected, images = finished([Fade(), Fade()], neutral=(0.0,), compile=compile)
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=0)


def test_a_step_of_before_may_hand_the_order_on_to_another_of_before():
    with pytest.warns(FutureWarning, match=r"likewise in `super\(\).apply\(images, numbers\)`"):

        class Fade(Darken):
            def apply(self, images, numbers, order):
                return super().apply(images, numbers)

    with pytest.warns(FutureWarning, match=r"`Twice.apply` takes"):

        class Twice(Fade):
            def apply(self, images, numbers, order):
                return super().apply(images, numbers, order) / 2

    expected, images = finished([Twice()], neutral=None)
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=0)
