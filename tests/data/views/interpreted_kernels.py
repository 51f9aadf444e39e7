"""The kernels that finish and cut views, run by Triton's interpreter: `test_kernels.py` starts it.

The variable TRITON_INTERPRET must be 1 before Triton is imported, hence a process of their own.
The interpreter rounds float16 rightly but cuts bfloat16 off, which doubles its error.
"""

import os

import pytest
import torch

from instdisc import gpu
from instdisc.data import (
    ColorJitter,
    PhotometricStep,
    RandomGrayscale,
    RandomSolarize,
    ViewFinisher,
    evaluation_policy,
    view_policy,
)
from instdisc.data.views.dataset import RawViews
from instdisc.data.views.fused import kernels, small_kernel
from instdisc.data.views.fused.finisher import FusedFinisher

from .cases import (
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


@pytest.fixture(autouse=True, scope="module")
def _interpreter():
    assert os.environ.get("TRITON_INTERPRET") == "1", "run by test_kernels.py"


@pytest.fixture(autouse=True, params=["small", "large"])
def size(request, monkeypatch):
    """As many launches as for large views, too: no view here is large."""
    if request.param == "large":
        monkeypatch.setattr("instdisc.data.views.fused.launches._MOST_PIXELS", 0)
    return request.param


def check(policy, views, numbers=None, dtype=torch.float32, memory_format=PLANES, atol=1e-5):
    """The kernels against `ViewPolicy.finish`."""
    numbers = numbers_of(policy, len(views)) if numbers is None else numbers
    expected = policy.finish(views, numbers)
    finished = FusedFinisher(policy, dtype)(views, numbers, memory_format)
    assert finished.dtype == dtype
    assert finished.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(finished.float(), expected, atol=atol, rtol=0)
    return finished


def test_every_order_of_the_jitter_at_once():
    check_every_order(check)


@pytest.mark.parametrize(
    ("steps", "memory_formats"),
    [
        ([], (PLANES, LAST)),
        ([JITTER], (LAST, PLANES)),
        ([GREY], (PLANES, PLANES)),
        ([BLUR], (LAST, LAST)),
        ([SOLARIZE], (PLANES, LAST)),
        ([GREY, JITTER], (LAST, LAST)),
        ([JITTER, GREY, BLUR, SOLARIZE], (LAST, PLANES)),
    ],
    ids=lambda value: "-".join(type(step).__name__ for step in value),
)
def test_steps_from_and_to_both_memory_formats(steps, memory_formats):
    source, target = memory_formats
    # Two programs share an image, and its last pixels fill no block.
    views = images_of(2, 33, 37).contiguous(memory_format=source)
    numbers = numbers_of(policy_of(*steps), 2, seed=3)
    check(policy_of(*steps), views, numbers, memory_format=target)


@pytest.mark.parametrize(
    "steps",
    [
        [JITTER, JITTER],
        [BLUR, JITTER],
        [BLUR, GREY, BLUR],
        [SOLARIZE, BLUR, SOLARIZE, JITTER, SOLARIZE],
        [RandomGrayscale(0.1)] * 20,  # more than one integer holds
    ],
)
def test_steps_that_need_several_stages(steps):
    check(policy_of(*steps), images_of(3, 6, 5))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 8), (8, 1), (2, 3), (5, 7)])
def test_small_views(height, width):
    # The blur of moco_v2 reaches 6 pixels, further than these can be reflected.
    policy = view_policy("moco_v2", 224)
    numbers = numbers_of(policy, 2)
    numbers[:, -1] = torch.tensor([1.9, 0.0])
    check(policy, images_of(2, height, width), numbers, memory_format=LAST)


def test_a_batch_of_one_and_of_none():
    policy = view_policy("moco_v3_second", 24)
    check(policy, images_of(1, 4, 6), memory_format=LAST)
    none = FusedFinisher(policy, torch.float16)(images_of(0, 4, 6), torch.zeros(0, 8))
    assert none.shape == (0, 3, 4, 6)
    assert none.dtype == torch.float16


def test_evaluation_needs_no_numbers():
    policy = evaluation_policy(24)
    check(policy, images_of(2, 24, 24), torch.empty(2, 0))


def test_every_second_pixel_of_larger_views():
    check(view_policy("moco_v2", 24), images_of(2, 10, 12)[:, :, ::2, ::2])


@pytest.mark.parametrize(
    ("dtype", "atol"),
    [(torch.float16, 2e-3), (torch.bfloat16, 2.7 * 2**-7), (torch.float64, 1e-5)],
    ids=str,
)
def test_types(dtype, atol):
    policy = view_policy("moco_v3_first", 24)
    check(policy, images_of(2, 6, 5), dtype=dtype, memory_format=LAST, atol=atol)


def test_a_threshold_that_is_a_level():
    """``images >= threshold`` holds at the level itself, as on the CPU."""
    views = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    for level in (3, 77, 128, 255):
        policy = policy_of(RandomSolarize(1.0, threshold=level / 255))
        check(policy, views)


class Fade(PhotometricStep):
    """A user's step that changes the memory format, too."""

    num_numbers = 2

    def draw(self, draws):
        raise NotImplementedError

    def apply(self, images, numbers):
        assert images.dtype == torch.float32
        faded = images * numbers[:, 0, None, None, None] + 0.1 * numbers[:, 1, None, None, None]
        return faded.contiguous(memory_format=LAST)


class Jitter(ColorJitter):
    """Of this class the kernels know nothing."""

    def apply(self, images, numbers):
        return super().apply(images, numbers) / 2


@pytest.mark.parametrize("place", range(4))
def test_a_users_step_anywhere(place):
    steps = [JITTER, GREY, BLUR]
    drawn = list(numbers_of(policy_of(*steps), 2, seed=1).split([5, 1, 1], 1))
    steps.insert(place, Fade())
    drawn.insert(place, torch.rand(2, 2))
    check(policy_of(*steps), images_of(2, 6, 5), torch.cat(drawn, 1), memory_format=LAST)


def test_users_steps_side_by_side_and_subclasses():
    steps = [Jitter(0.4, 0.4, 0.4, 0.1), Fade(), Fade(), SOLARIZE]
    numbers = torch.cat([numbers_of(policy_of(steps[0]), 2), torch.rand(2, 4), torch.ones(2, 1)], 1)
    check(policy_of(*steps), images_of(2, 6, 5), numbers)


def raw_views(policies, views):
    numbers = [numbers_of(policy, len(views), seed) for seed, policy in enumerate(policies)]
    labels = torch.arange(len(views))
    return RawViews([views] * len(policies), numbers, labels, labels)


def test_the_finisher_takes_the_kernels(size, monkeypatch):
    monkeypatch.setattr(gpu, "available", lambda device: True)
    launches = []
    for name in ("sum_grey", "change_colours", "blur"):
        count_launches(monkeypatch, kernels, name, launches)
    count_launches(monkeypatch, small_kernel, "finish_small", launches)
    policies = [view_policy("moco_v2", 24), view_policy("zhao_frcg", 24), view_policy("zhao_f", 24)]
    raw = raw_views(policies, images_of(2, 6, 5))
    finished = ViewFinisher(policies)(raw, LAST)
    moco_v2 = ["sum_grey", "change_colours", "blur", "blur"]
    large = [*moco_v2, "sum_grey", "change_colours", "change_colours"]
    assert launches == (["finish_small"] * 3 if size == "small" else large)
    for image, policy, views, numbers in zip(
        finished.images, policies, raw.views, raw.numbers, strict=True
    ):
        assert image.is_contiguous(memory_format=LAST)
        torch.testing.assert_close(image, policy.finish(views, numbers), atol=1e-5, rtol=0)


def count_launches(monkeypatch, module, name, launches):
    kernel = getattr(module, name)

    class Counted:
        def __getitem__(self, grid):
            launches.append(name)
            return kernel[grid]

    monkeypatch.setattr(module, name, Counted())
