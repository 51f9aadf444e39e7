"""What the published views are made of, read from the policies that are built."""

import math

import numpy as np
import pytest

from instdisc.data import (
    POLICIES,
    SegmentPolicy,
    evaluation_policy,
    multi_crop,
    view_policies,
    view_policy,
)
from instdisc.data.objects.policy import VOC_SHORT_SIDES, ObjectPolicy
from instdisc.data.segments.distortion import PhotometricDistortion
from instdisc.data.views.draws import Draws
from instdisc.data.views.frames import CenterCrop, RandomResizedCrop
from instdisc.data.views.photometric import (
    ColorJitter,
    GaussianBlur,
    RandomGrayscale,
    RandomSolarize,
)
from instdisc.transfer.linear.grid import islam_test_policy

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def described(policy):
    """Frame, flip and steps of a policy as plain numbers."""
    frame, steps = policy.frame, []
    if isinstance(frame, RandomResizedCrop):
        cut = ("crop", frame.size, *frame.scale)
    else:
        cut = ("centre", frame.size, frame.resize, frame.keep_aspect)
    for step in policy.photometric:
        if isinstance(step, ColorJitter):
            steps.append(("jitter", *step.strengths, step.hue, step.p))
        elif isinstance(step, RandomGrayscale):
            steps.append(("grey", step.p))
        elif isinstance(step, GaussianBlur):
            steps.append(("blur", round(step.low, 9), round(step.high, 9), step.p))
        else:
            assert isinstance(step, RandomSolarize)
            steps.append(("solarise", step.p, step.threshold))
    return cut, policy.flip, steps


CROP = ("crop", 224, 0.2, 1.0)
JITTER, GREY, BLUR = ("jitter", 0.4, 0.4, 0.4, 0.1, 0.8), ("grey", 0.2), ("blur", 0.1, 2.0, 0.5)
TURNING = ("jitter", 0.4, 0.4, 0.4, 0.4, 1.0)
WIDE = ("crop", 224, 0.08, 1.0)
FULL = ("jitter", 0.8, 0.8, 0.8, 0.2, 0.8)
MILD = ("jitter", 0.4, 0.4, 0.2, 0.1, 0.8)
FIRST = [MILD, GREY, ("blur", 0.1, 2.0, 1.0)]
SECOND = [MILD, GREY, ("blur", 0.1, 2.0, 0.1), ("solarise", 0.2, 0.5)]
LARGE, LARGE_RESNET = ("crop", 224, 0.4, 1.0), ("crop", 224, 0.14, 1.0)
PUBLISHED = {
    "zhao_f": (("centre", 224, 256, True), []),
    "zhao_fr": (CROP, []),
    "zhao_frc": (CROP, [JITTER]),
    "zhao_frcg": (CROP, [JITTER, GREY]),
    "zhao_frcgb": (CROP, [JITTER, GREY, BLUR]),
    "moco_v1": (CROP, [GREY, TURNING]),
    "moco_v2": (CROP, [JITTER, GREY, BLUR]),
    "moco_v3_first": (WIDE, FIRST),
    "moco_v3_second": (WIDE, SECOND),
    "moco_v3_resnet_first": (CROP, FIRST),
    "moco_v3_resnet_second": (CROP, SECOND),
    "islam_weak": (CROP, []),
    "islam_strong": (CROP, [JITTER, GREY, BLUR]),
    "instdisc": (CROP, [GREY, TURNING]),
    "instdisc_cifar": (CROP, [TURNING, GREY]),
    "simclr": (WIDE, [FULL, GREY, BLUR]),
    "simclr_cifar": (WIDE, [JITTER, GREY]),
    "nnclr": (WIDE, [FULL, GREY, BLUR]),
    "simsiam": (CROP, [JITTER, GREY, BLUR]),
    "supcon_cifar": (CROP, [JITTER, GREY]),
    "byol_first": (WIDE, FIRST),
    "byol_second": (WIDE, SECOND),
    "dino_first": (LARGE, FIRST),
    "dino_second": (LARGE, SECOND),
    "dino_small": (("crop", 96, 0.05, 0.4), [MILD, GREY, BLUR]),
    "dino_resnet_first": (LARGE_RESNET, FIRST),
    "dino_resnet_second": (LARGE_RESNET, SECOND),
    "dino_resnet_small": (("crop", 96, 0.05, 0.14), [MILD, GREY, BLUR]),
}
SETS = {
    "byol": ["byol_first", "byol_second"],
    "barlow_twins": ["byol_first", "byol_second"],
    "vicreg": ["byol_first", "byol_second"],
    "moco_v3": ["moco_v3_first", "moco_v3_second"],
    "moco_v3_resnet": ["moco_v3_resnet_first", "moco_v3_resnet_second"],
    "dino": ["dino_first", "dino_second", *["dino_small"] * 8],
    "dino_resnet": ["dino_resnet_first", "dino_resnet_second", *["dino_resnet_small"] * 8],
}


def test_every_policy_is_listed():
    assert set(POLICIES) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_policy(name):
    cut, steps = PUBLISHED[name]
    policy = view_policy(name, cut[1])
    assert described(policy) == (cut, 0.0 if name == "instdisc_cifar" else 0.5, steps)
    assert (tuple(policy.mean), tuple(policy.std)) == (MEAN, STD)


@pytest.mark.parametrize("name", SETS)
def test_views_of_a_set(name):
    expected = [described(view_policy(each, PUBLISHED[each][0][1])) for each in SETS[name]]
    assert [described(policy) for policy in view_policies(name)] == expected


def test_steps_by_default():
    assert (RandomGrayscale().p, GaussianBlur().low, GaussianBlur().high) == (0.2, 0.1, 2.0)
    assert (GaussianBlur().p, ColorJitter(0, 0, 0, 0).p) == (0.5, 0.8)
    assert (RandomSolarize().p, RandomSolarize().threshold) == (0.2, 0.5)
    assert RandomResizedCrop(224).scale == (0.2, 1.0)


def test_crops_are_between_3_to_4_and_4_to_3_in_ten_tries():
    numbers = RandomResizedCrop(224).draw(Draws(0, 0, range(4000), 0))
    assert numbers.shape[1] == 2 + 2 * 10
    shapes = np.exp(numbers[:, 3::2])
    assert shapes.min() == pytest.approx(3 / 4, abs=1e-3)
    assert shapes.max() == pytest.approx(4 / 3, abs=1e-3)


def test_multi_crop():
    views = [described(policy)[0] for policy in multi_crop()]
    assert views == [("crop", 224, 0.14, 1.0)] * 2 + [("crop", 96, 0.05, 0.14)] * 6


def test_the_view_of_tests():
    assert described(evaluation_policy()) == (("centre", 224, 256, True), 0.0, [])
    assert described(islam_test_policy()) == (("centre", 224, 257, False), 0.0, [])
    assert isinstance(islam_test_policy().frame, CenterCrop)


def test_distortion():
    step = PhotometricDistortion()
    degrees = 36  # 18 of OpenCV's 180 steps
    assert (step.brightness, step.contrast, step.saturation) == (32 / 255, 0.5, 0.5)
    assert 360 * step.hue == pytest.approx(degrees)
    numbers = step.draw(Draws(0, 0, range(8000), 0))
    added, early, purer, turned, late = numbers.T
    for drawn, neutral in ((added, 0), (purer, 1), (turned, 0)):
        assert (drawn != neutral).mean() == pytest.approx(0.5, abs=0.03)
    for drawn in (early, late):  # contrast, in one of two places
        assert (drawn != 1).mean() == pytest.approx(0.25, abs=0.03)
    assert not ((early != 1) & (late != 1)).any()


def test_distortion_comes_in_its_order():
    """Brightness, contrast (or last), saturation, hue: what each does to one colour, by hand."""
    import colorsys

    import torch

    colour = (0.2, 0.4, 0.6)
    image = torch.tensor(colour)[None, :, None, None]

    def by_hand(added, early, purer, turned, late):
        levels = [min(1, max(0, min(1, max(0, value + added)) * early)) for value in colour]
        hue, saturation, value = colorsys.rgb_to_hsv(*levels)
        levels = colorsys.hsv_to_rgb((hue + turned) % 1, min(1, saturation * purer), value)
        return [min(1, max(0, level * late)) for level in levels]

    for numbers in ([0.1, 1.3, 0.7, 0.08, 1.0], [-0.1, 1.0, 1.4, -0.1, 1.2]):
        result = PhotometricDistortion().apply(image, torch.tensor([numbers])).flatten()
        assert result.tolist() == pytest.approx(by_hand(*numbers), abs=1e-5)


def test_crops_to_segment():
    policy = SegmentPolicy(512)
    assert (policy.scale, policy.flip, policy.max_share) == ((0.5, 2.0), 0.5, 1.0)
    # mmsegmentation: the first crop and ten more.
    assert len(policy.draw(Draws(0, 0, [0], 0)).frame[0]) == 2 + 2 * 11


def test_sizes_to_detect():
    policy = ObjectPolicy()
    assert policy.short_sides == VOC_SHORT_SIDES
    assert policy.short_sides == (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)
    assert (policy.longest_side, policy.flip) == (1333, 0.5)
    assert (policy.for_test().short_sides, policy.for_test().flip) == ((800,), 0.0)
    assert math.isclose(policy.size(375, 500, 800)[0], 800)
