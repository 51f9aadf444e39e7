"""The kernel that cuts views, run by Triton's interpreter: `test_kernels.py` starts it."""

import itertools
import os

import pytest
import torch

from instdisc import gpu
from instdisc.data.views.fused.cut import cut_on_gpu
from instdisc.data.views.resample import cut_boxes, resample


@pytest.fixture(autouse=True, scope="module")
def _interpreter():
    assert os.environ.get("TRITON_INTERPRET") == "1", "run by test_kernels.py"


def images_of(count, height, width):
    generator = torch.Generator().manual_seed(0)
    shape = (count, height, 3, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def random_boxes(count, height, width, whole_pixels):
    generator = torch.Generator().manual_seed(5)
    tall = 1 + torch.rand(count, generator=generator) * (height - 1)
    wide = 1 + torch.rand(count, generator=generator) * (width - 1)
    top = torch.rand(count, generator=generator) * (height - tall)
    left = torch.rand(count, generator=generator) * (width - wide)
    places = torch.stack([top, left, tall, wide], 1)
    flags = torch.tensor(list(itertools.product([0.0, 1.0], repeat=2)))  # inside, mirrored
    flags = flags.repeat(count, 1)[:count]
    return torch.cat([places.floor() if whole_pixels else places, flags], 1)


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(16, 16, 16), (40, 33, 7), (9, 8, 20), (16, 16, (8, 20)), (40, 33, (33, 7))],
    ids=str,
)
@pytest.mark.parametrize("whole_pixels", [True, False])
def test_cut_views_equal_resampled_ones(height, width, size, whole_pixels):
    """Sums in another order may round a value that lies halfway to the other level."""
    stack = images_of(5, height, width)
    boxes = random_boxes(4, height, width, whole_pixels)
    indices = torch.tensor([4, 0, 0, 3])
    cut = cut_on_gpu(stack, boxes, indices, size)
    expected = resample(stack[indices], boxes, size)
    away = (cut.int() - expected.int()).abs()
    assert away.max() <= 1
    assert (away > 0).float().mean() < 5e-3


def test_cutting_takes_the_kernel_where_the_images_lie_on_a_gpu(monkeypatch):
    monkeypatch.setattr(gpu, "available", lambda device: True)
    stack = images_of(3, 8, 8)
    boxes = random_boxes(2, 8, 8, True)
    indices = torch.tensor([2, 1])
    small, large = cut_boxes(stack, [boxes, boxes], indices, [4, 8])
    assert torch.equal(small, cut_on_gpu(stack, boxes, indices, 4))
    assert torch.equal(large, cut_on_gpu(stack, boxes, indices, 8))
