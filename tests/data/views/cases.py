"""What the tests of kernels and of compiled loops have in common: steps, images, numbers."""

import torch
from torchvision.transforms.v2 import functional as TF

from instdisc.data import (
    ColorJitter,
    Draws,
    GaussianBlur,
    RandomGrayscale,
    RandomResizedCrop,
    RandomSolarize,
    ViewPolicy,
)
from instdisc.data.views.jitter import JITTER_ORDERS

PLANES, LAST = torch.contiguous_format, torch.channels_last
JITTER, GREY = ColorJitter(0.4, 0.4, 0.4, 0.4, p=0.8), RandomGrayscale(0.5)
BLUR, SOLARIZE = GaussianBlur(0.2, 1.5, p=0.6), RandomSolarize(0.6)


def images_of(count, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def policy_of(*steps):
    return ViewPolicy(RandomResizedCrop(24), steps)


def numbers_of(policy, count, seed=0):
    return policy.draw(Draws(seed, 0, range(count), 0)).photometric


def check_every_order(check):
    """All orders of the jitter in a batch, against torchvision's operators one after another.

    Args:
        check: gives the finished views of a policy, views and numbers.
    """
    count = len(JITTER_ORDERS)
    numbers = numbers_of(policy_of(ColorJitter(0.4, 0.4, 0.4, 0.4, p=1.0)), count)
    numbers[:, 4] = torch.arange(count)
    policy = ViewPolicy(RandomResizedCrop(9), [JITTER], mean=[0.0] * 3, std=[1.0] * 3)
    views = images_of(count, 7, 9)
    finished = check(policy, views, numbers)
    adjust = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, TF.adjust_hue)
    for order, view, row, image in zip(
        JITTER_ORDERS, views, numbers.tolist(), finished, strict=True
    ):
        expected = view.float() / 255
        for position in order:
            expected = adjust[position](expected, row[position])
        torch.testing.assert_close(image, expected, atol=5e-6, rtol=0)
