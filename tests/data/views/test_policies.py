"""The steps of every published policy, at any size."""

import pytest
import torch

from instdisc.data import (
    POLICIES,
    CenterCrop,
    ColorJitter,
    Draws,
    GaussianBlur,
    RandomGrayscale,
    RandomResizedCrop,
    RandomSolarize,
    evaluation_policy,
    multi_crop,
    view_policy,
)

JITTER = ("ColorJitter", (0.4, 0.4, 0.4), 0.1, 0.8)
LESS_SATURATION = ("ColorJitter", (0.4, 0.4, 0.2), 0.1, 0.8)
GREY = ("RandomGrayscale", 0.2)
BLUR = ("GaussianBlur", 0.1, 2.0, 0.5)
STEPS = {
    "zhao_f": [],
    "zhao_fr": [],
    "zhao_frc": [JITTER],
    "zhao_frcg": [JITTER, GREY],
    "zhao_frcgb": [JITTER, GREY, BLUR],
    "moco_v1": [GREY, ("ColorJitter", (0.4, 0.4, 0.4), 0.4, 1.0)],
    "moco_v2": [JITTER, GREY, BLUR],
    "islam_weak": [],
    "islam_strong": [JITTER, GREY, BLUR],
    "moco_v3_first": [LESS_SATURATION, GREY, ("GaussianBlur", 0.1, 2.0, 1.0)],
    "moco_v3_second": [
        LESS_SATURATION,
        GREY,
        ("GaussianBlur", 0.1, 2.0, 0.1),
        ("RandomSolarize", 0.2, 0.5),
    ],
}


def described(step):
    if isinstance(step, ColorJitter):
        return ("ColorJitter", step.strengths, step.hue, step.p)
    if isinstance(step, RandomGrayscale):
        return ("RandomGrayscale", step.p)
    if isinstance(step, RandomSolarize):
        return ("RandomSolarize", step.p, step.threshold)
    assert isinstance(step, GaussianBlur)
    return ("GaussianBlur", step.low, step.high, step.p)


def cut(policy, image, seed, epoch, index, view):
    """One view and its photometric numbers."""
    drawn = policy.draw(Draws(seed, epoch, [index], view))
    return policy.cut(image, drawn.frame[0], drawn.flipped[0]), drawn.photometric[0]


def test_every_policy_is_known_here():
    assert set(POLICIES) == set(STEPS)


@pytest.mark.parametrize("name", STEPS)
def test_steps_are_those_of_the_paper(name):
    policy = view_policy(name)
    assert [described(step) for step in policy.photometric] == STEPS[name]
    assert policy.flip == 0.5
    if name == "zhao_f":
        assert isinstance(policy.frame, CenterCrop)
        assert policy.frame.resize == 256
    else:
        assert isinstance(policy.frame, RandomResizedCrop)
        assert policy.frame.scale == ((0.08, 1.0) if name.startswith("moco_v3") else (0.2, 1.0))


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("name", STEPS)
def test_every_policy_makes_views_of_any_size(name, size):
    policy = view_policy(name, size)
    image = torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8)
    view, numbers = cut(policy, image, 0, 0, 0, 0)
    finished = policy.finish(view[None], numbers[None])
    assert view.dtype == torch.uint8
    assert finished.shape == (1, 3, size, size)
    assert finished.isfinite().all()


def test_blur_shrinks_with_the_view():
    (blur,) = (s for s in view_policy("moco_v2", 56).photometric if isinstance(s, GaussianBlur))
    assert (blur.low, blur.high) == pytest.approx((0.025, 0.5))


def test_evaluation_leaves_nothing_to_chance():
    policy = evaluation_policy(32)
    image = torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8)
    views = [cut(policy, image, seed, epoch, 3, 1)[0] for seed in (0, 1) for epoch in (0, 5)]
    assert all(torch.equal(view, views[0]) for view in views)


@pytest.mark.parametrize(("size", "resize"), [(224, 256), (96, 110), (64, 64), (32, 32)])
def test_evaluation_resizes_large_images_more(size, resize):
    assert evaluation_policy(size).frame.resize == resize
    assert evaluation_policy(size, resize=300).frame.resize == 300


def test_multi_crop_is_one_policy_in_two_sizes():
    policies = multi_crop("moco_v2", 64, small_size=24, num_small=3)
    assert [policy.frame.size for policy in policies] == [64, 64, 24, 24, 24]
    assert [policy.frame.scale for policy in policies] == [(0.14, 1.0)] * 2 + [(0.05, 0.14)] * 3
    names = [[type(step).__name__ for step in policy.photometric] for policy in policies]
    assert names == [["ColorJitter", "RandomGrayscale", "GaussianBlur"]] * 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: view_policy("moco"),
            r"`name` must be one of 'zhao_f', 'zhao_fr', 'zhao_frc', 'zhao_frcg',",
        ),
        (lambda: view_policy("moco_v2", 0), r"`image_size` must be a whole .* got 0"),
        (
            lambda: view_policy("zhao_f", scale=(0.1, 1)),
            r"`scale` is of a random .* 'zhao_f'",
        ),
        (
            lambda: multi_crop(num_small=-1),
            r"`num_small` must be a whole number of at least 0, got -1",
        ),
        (lambda: evaluation_policy(-1), r"`image_size` must be a whole .* got -1"),
        (lambda: evaluation_policy(224, resize=200), r"`resize` must be at least .* got 200"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
