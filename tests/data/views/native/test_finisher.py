"""Views finished by compiled loops, against the plain way and torchvision."""

import copy
import pickle

import numpy as np
import pytest
import torch

from instdisc.data import (
    ColorJitter,
    GaussianBlur,
    PhotometricStep,
    RandomGrayscale,
    RandomResizedCrop,
    RandomSolarize,
    Scenes,
    ViewDataset,
    ViewFinisher,
    ViewPolicy,
    evaluation_policy,
    multi_crop,
    view_policy,
)
from instdisc.data.views.native import building, library
from instdisc.data.views.native.finisher import NativeFinisher

from ..cases import (
    BLUR,
    GREY,
    JITTER,
    LAST,
    PLANES,
    SOLARIZE,
    check_every_order,
    images_of,
    numbers_of,
    policy_of,
)

pytestmark = pytest.mark.skipif(not building._compiler(), reason="needs a C compiler")


def finisher(policy, dtype=torch.float32):
    return NativeFinisher(policy, dtype, lambda step: step.apply)


def check(policy, views, numbers=None, memory_format=PLANES):
    """The loops against `ViewPolicy.finish`."""
    numbers = numbers_of(policy, len(views)) if numbers is None else numbers
    finished = finisher(policy)(views, numbers, memory_format)
    assert finished.dtype == torch.float32
    assert finished.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(finished, policy.finish(views, numbers), atol=1e-5, rtol=0)
    return finished


def test_every_order_of_the_jitter_at_once():
    check_every_order(check)


@pytest.mark.parametrize("position", range(4))
def test_each_operator_alone(position):
    """A neutral number of the others leaves them out."""
    numbers = torch.tensor([[1.0, 1.0, 1.0, 0.0, order] for order in range(24)])
    numbers[:, position] = torch.linspace(-0.5, 0.5, 24) if position == 3 else 1.7
    check(policy_of(JITTER), images_of(24, 6, 5), numbers)


@pytest.mark.parametrize("source", [PLANES, LAST])
@pytest.mark.parametrize("target", [PLANES, LAST])
@pytest.mark.parametrize(
    "steps",
    [
        [],
        [JITTER],
        [GREY],
        [BLUR],
        [SOLARIZE],
        [GREY, JITTER],
        [JITTER, GREY, BLUR, SOLARIZE],
        [JITTER, JITTER],
        [BLUR, JITTER],
        [BLUR, GREY, BLUR],
        [SOLARIZE, BLUR, SOLARIZE, JITTER, SOLARIZE],
        [RandomGrayscale(0.1)] * 20,  # more than one integer holds
        [RandomSolarize(0.3, threshold=level / 40) for level in range(1, 33)],
    ],
    ids=lambda steps: "-".join(type(step).__name__ for step in steps)[:60],
)
def test_steps_from_and_to_both_memory_formats(steps, source, target):
    # Neither a row nor a block of pixels is a multiple of what is computed at once.
    views = images_of(12, 33, 37).contiguous(memory_format=source)
    policy = policy_of(*steps)
    check(policy, views, numbers_of(policy, 12, seed=3), memory_format=target)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 9), (9, 1), (2, 3), (3, 2), (16, 16), (31, 4), (3, 1030), (257, 2)]
)
@pytest.mark.parametrize("memory_format", [PLANES, LAST])
def test_every_shape(shape, memory_format):
    policy = policy_of(ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0), GaussianBlur(0.1, 4.0, p=0.8))
    views = images_of(8, *shape).contiguous(memory_format=memory_format)
    check(policy, views, memory_format=memory_format)


def test_a_part_of_larger_images():
    large = images_of(6, 40, 40)
    for views in (large[..., 3:27, 5:29], large[::2, :, 8:32, 8:32], large.transpose(2, 3)):
        check(view_policy("moco_v2", 24), views)


def test_no_views():
    assert finisher(view_policy("moco_v2", 24))(images_of(0, 24, 24), torch.zeros(0, 7)).shape == (
        (0, 3, 24, 24)
    )


@pytest.mark.parametrize("sigma", [1e-4, 0.1, 0.6, 2.0, 30.0])
def test_blurs_of_every_width(sigma):
    policy = policy_of(GaussianBlur(1e-4, 30.0))
    check(policy, images_of(2, 40, 50), torch.full((2, 1), sigma))


def test_levels_at_the_threshold_are_inverted():
    levels = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    for level in range(1, 256):
        policy = ViewPolicy(
            RandomResizedCrop(24),
            [RandomSolarize(threshold=level / 255)],
            mean=[0.0] * 3,
            std=[1.0] * 3,
        )
        finished = finisher(policy)(levels, torch.ones(1, 1))
        assert torch.equal(finished, policy.finish(levels, torch.ones(1, 1)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("memory_format", [PLANES, LAST])
def test_other_types_are_the_rounded_float32(dtype, memory_format):
    policy, views = view_policy("moco_v3_second", 24), images_of(40, 23, 24)
    numbers = numbers_of(policy, 40)
    finished = finisher(policy, dtype)(views, numbers, memory_format)
    assert finished.is_contiguous(memory_format=memory_format)
    assert torch.equal(finished, finisher(policy)(views, numbers).to(dtype))


def test_every_policy():
    names = ["moco_v1", "moco_v2", "moco_v3_second", "zhao_f", "zhao_fr", "zhao_frcg"]
    policies = [view_policy(name, 24) for name in names]
    policies += [evaluation_policy(24), *multi_crop("moco_v2", 32, small_size=16, num_small=2)]
    raw = ViewDataset(Scenes(19, image_size=48), policies, seed=3).batch(
        [(0, i) for i in range(19)]
    )
    finished = ViewFinisher(policies, compile=True)(raw)
    for policy, view, *made in zip(policies, finished.images, raw.views, raw.numbers, strict=True):
        torch.testing.assert_close(view, policy.finish(*made), atol=1e-5, rtol=0)


def test_threads_change_nothing(monkeypatch):
    policy, views = view_policy("moco_v2", 24), images_of(31, 24, 24)
    numbers = numbers_of(policy, 31)
    alone = finisher(policy)(views, numbers)
    monkeypatch.setattr(library, "_SHARE", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert torch.equal(finisher(policy)(views, numbers), alone)


class Fade(PhotometricStep):
    """A user's own."""

    num_numbers = 1
    neutral = (0.0,)
    compiles = False

    def draw(self, draws):
        return draws.chance(0.5)[:, None]

    def apply(self, images, numbers):
        assert bool(numbers.all())  # none that it would leave as it is
        return images * (1 - numbers[:, :, None, None] / 2)


class Whole(Fade):
    neutral = None

    def apply(self, images, numbers):
        return images * (1 - numbers[:, :, None, None] / 2)


@pytest.mark.parametrize(
    "added", [[Fade()], [Whole()], [Whole(), Fade()], [Fade(), Whole(), Fade()]]
)
@pytest.mark.parametrize("place", range(4))
def test_steps_of_ones_own_anywhere(added, place):
    steps = [JITTER, BLUR, SOLARIZE]
    steps[place:place] = added
    policy, views = policy_of(*steps), images_of(40, 12, 12).contiguous(memory_format=LAST)
    numbers = numbers_of(policy, 40)
    finished = finisher(policy)(views, numbers)
    for step in added:
        if isinstance(step, Fade) and not isinstance(step, Whole):
            step.apply = lambda images, numbers: images * (1 - numbers[:, :, None, None] / 2)
    torch.testing.assert_close(finished, policy.finish(views, numbers), atol=1e-5, rtol=0)


def test_what_is_no_number_stays_so():
    class Broken(Whole):
        def apply(self, images, numbers):
            images = images.clone()
            images[:, :, 0, 0] = np.nan
            return images

    steps = [Broken(), ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0), RandomSolarize(1.0)]
    policy, views = policy_of(*steps), images_of(24, 5, 5)
    numbers = numbers_of(policy, 24)
    numbers[:, 2] = 1.0  # contrast, of which the mean would spread them
    for dtype in (torch.float32, torch.bfloat16):
        wrong = finisher(policy, dtype)(views, numbers).isnan()
        assert bool(wrong[:, :, 0, 0].all())
        assert int(wrong.sum()) == 24 * 3


@pytest.mark.parametrize("order", [24.0, -1.0, float("nan"), 1e30])
def test_an_order_that_there_is_not_is_refused(order):
    policy = view_policy("moco_v2", 24)
    numbers = numbers_of(policy, 5)
    numbers[3, 4] = order
    with pytest.raises(IndexError, match="the order of a jitter must be 0 to 23, got"):
        finisher(policy)(images_of(5, 24, 24), numbers)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda finish: pickle.loads(pickle.dumps(finish))]
)
def test_a_finisher_that_was_used_can_be_copied(copied):
    policies = [policy_of(JITTER, Fade(), BLUR)]
    raw = ViewDataset(Scenes(9, image_size=48), policies).batch([(0, i) for i in range(9)])
    finish = ViewFinisher(policies, compile=None)
    images = finish(raw).images[0]
    assert isinstance(finish._on_cpu[policies[0]], NativeFinisher)
    assert not copied(finish)._on_cpu  # where it goes there may be no compiler
    assert torch.equal(copied(finish)(raw).images[0], images)


def test_raw_views_stay_as_they_were():
    views = images_of(4, 24, 24)
    before, policy = views.clone(), policy_of(Fade(), JITTER, BLUR)
    finisher(policy)(views, numbers_of(policy, 4))
    assert torch.equal(views, before)
