"""The kernel that cuts images of different sizes, run by Triton's interpreter: `test_kernels.py`.

The variable TRITON_INTERPRET must be 1 before Triton is imported, hence a process of its own.
"""

import os

import pytest
import torch

from instdisc.data.views.fused.cut import cut_each_on_gpu
from instdisc.data.views.resample import cut_each


@pytest.mark.parametrize("size", [7, 16, 33, (9, 25), (31, 5)])
def test_it_gives_what_matrix_products_give(size):
    assert os.environ.get("TRITON_INTERPRET") == "1", "run by test_kernels.py"
    generator = torch.Generator().manual_seed(0)
    sides = [(40, 33), (21, 50), (64, 20), (5, 7), (16, 16)]
    images = [
        torch.randint(0, 256, (3, *side), dtype=torch.uint8, generator=generator) for side in sides
    ]
    boxes = torch.tensor(
        [
            [3.0, 2, 30, 20, 1, 0],
            [0.0, 10, 21, 40, 1, 1],
            [20.0, 0, 44, 20, 1, 1],
            [1.0, 1, 3, 4, 1, 0],
            [2.5, 1.5, 9, 9, 0, 0],  # of the whole image, resized
        ]
    )
    expected = cut_each(images, boxes, size)
    difference = cut_each_on_gpu(images, boxes, size).int() - expected.int()
    assert int(difference.abs().max()) <= 1  # where both lie halfway between two levels
    assert float((difference != 0).float().mean()) < 0.01
