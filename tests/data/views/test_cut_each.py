"""Views of images of different sizes."""

import torch

from instdisc.data import Draws, RandomResizedCrop
from instdisc.data.views.resample import cut_each


def test_they_are_those_that_the_frame_cuts():
    frame = RandomResizedCrop(24)
    generator = torch.Generator().manual_seed(0)
    sides = [(40, 33), (21, 50), (64, 20), (30, 70)]
    images = [
        torch.randint(0, 256, (3, *side), dtype=torch.uint8, generator=generator) for side in sides
    ]
    numbers = frame.draw(Draws(0, 0, range(4), 0)).tolist()
    boxes = torch.tensor(
        [[*frame.box(*side, own), 0.0] for side, own in zip(sides, numbers, strict=True)]
    )
    views = cut_each(images, boxes, 24)
    for view, image, own in zip(views, images, numbers, strict=True):
        assert int((view.int() - frame.cut(image, own).int()).abs().max()) <= 1
    boxes[:, 5] = 1
    assert torch.equal(cut_each(images, boxes, 24), views.flip(3))
