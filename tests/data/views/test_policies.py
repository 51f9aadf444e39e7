"""Views of every published policy and set, at any size; tests/published/ has their steps."""

import pytest
import torch

from instdisc.data import (
    POLICIES,
    Draws,
    GaussianBlur,
    evaluation_policy,
    multi_crop,
    view_policies,
    view_policy,
)
from instdisc.types import InputSpec


def cut(policy, image, seed, epoch, index, view):
    """One view and its photometric numbers."""
    drawn = policy.draw(Draws(seed, epoch, [index], view))
    return policy.cut(image, drawn.frame[0], drawn.flipped[0]), drawn.photometric[0]


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_makes_views_of_any_size(name, size):
    policy = view_policy(name, size)
    image = torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8)
    view, numbers = cut(policy, image, 0, 0, 0, 0)
    finished = policy.finish(view[None], numbers[None])
    assert view.dtype == torch.uint8
    assert finished.shape == (1, 3, size, size)
    assert finished.isfinite().all()


@pytest.mark.parametrize(
    ("size", "small"),
    [(224, 96), (384, 160), (128, 48), (64, 32), (32, 16), (20, 16), ((224, 112), (96, 48))],
)
def test_small_views_are_whole_patches(size, small):
    policies = view_policies("dino", size)
    assert [policy.frame.size for policy in policies] == [size] * 2 + [small] * 8
    policies = view_policies("dino_resnet", size, small_size=24, num_views=3)
    assert [policy.frame.size for policy in policies] == [size, size, 24]


def test_number_of_views():
    assert len(view_policies("moco_v2", 32)) == 2
    assert len(view_policies("moco_v2", 32, num_views=1)) == 1
    assert len(view_policies("byol", 32, num_views=2)) == 2
    large = view_policies("dino", 32, num_views=2)
    assert [policy.frame.scale for policy in large] == [(0.4, 1.0)] * 2


def test_views_that_are_made_alike_share_a_policy():
    assert len({id(policy) for policy in view_policies("simclr", 32)}) == 1
    assert len({id(policy) for policy in view_policies("dino", 32)}) == 3


def test_normalisation_of_a_set():
    seen = InputSpec(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    for policy in view_policies("dino", 32, seen=seen) + view_policies("simclr", 32, seen=seen):
        view = torch.randint(0, 128, (1, 3, *policy.frame.sides), dtype=torch.uint8)
        neutral = [step.neutral for step in policy.photometric]
        numbers = torch.tensor([[number for numbers in neutral for number in numbers]])
        torch.testing.assert_close(policy.finish(view, numbers), view / 255)


def test_blur_shrinks_with_the_view():
    (blur,) = (s for s in view_policy("moco_v2", 56).photometric if isinstance(s, GaussianBlur))
    assert (blur.low, blur.high) == pytest.approx((0.025, 0.5))
    blur = view_policies("dino", small_size=48)[-1].photometric[-1]  # published: 96 pixels
    assert (blur.low, blur.high) == pytest.approx((0.05, 1.0))


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
            lambda: view_policy("byol"),
            r"`name` must be a policy of one view, got 'byol'. It is a set: use view_policies.",
        ),
        (
            lambda: view_policies("byol_third"),
            r"`name` must be one of .*'byol', .* got 'byol_third'. Did you mean 'byol_first'",
        ),
        (lambda: view_policies("byol", num_views=3), r"`num_views` must be 2 for .*'byol', got 3"),
        (
            lambda: view_policies("dino", num_views=1),
            r"`num_views` must be at least 2 for the views of 'dino', got 1",
        ),
        (
            lambda: view_policies("byol", small_size=96),
            r"`small_size` is of small views, and 'byol' has none",
        ),
        (lambda: view_policies("simclr", small_size=96), r"'simclr' has none"),
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
