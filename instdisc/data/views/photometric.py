"""Colour and blur, batched on the device with numbers that a worker drew.

torchvision's transforms draw their numbers where they compute: a resumed run could not draw the
same again, and each image would be a call. Whole views are 3 to 20 times as fast as lightly's,
which are made of such (rows ``views_224`` to ``views_32`` of ``examples/benchmark.py``).

Legend: B batch, H x W image size, n numbers of a step. Images are float in [0, 1].
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from instdisc import checks

from .draws import Draws
from .jitter import (
    FORMS,
    arrange_jitter,
    jitter,
    jitter_in_form,
)
from .jitter import JITTER_ORDERS as JITTER_ORDERS
from .operators import gaussian_blur, grey
from .step import PhotometricStep as PhotometricStep


class ColorJitter(PhotometricStep):
    """Random brightness, contrast, saturation and hue.

    Args:
        brightness: factor from [1 - x, 1 + x]; contrast and saturation likewise.
        contrast: see `brightness`.
        saturation: see `brightness`.
        hue: shift from [-x, x] turns of the colour circle; at most 0.5.
        p: chance that a view is jittered.

    Raises:
        ValueError: if a strength or `p` is out of range.

    Source:
        torchvision's ColorJitter, whose operators these equal, in an order that is drawn for
        each image, as there.

    Example:
        >>> jitter = ColorJitter(0.4, 0.0, 0.0, 0.0, p=1.0)
        >>> numbers = torch.tensor([[1.2, 1.0, 1.0, 0.0, 23.0]])  # in the last of the orders
        >>> jitter.apply(torch.full((1, 3, 1, 1), 0.5), numbers).flatten()
        tensor([0.6000, 0.6000, 0.6000])
    """

    num_numbers = 5  # brightness, contrast, saturation, hue, which of the `JITTER_ORDERS`
    neutral = (1.0, 1.0, 1.0, 0.0, 0.0)
    num_forms = len(FORMS)

    def __init__(
        self, brightness: float, contrast: float, saturation: float, hue: float, *, p: float = 0.8
    ) -> None:
        checks.arguments(
            ColorJitter.__init__,
            locals(),
            brightness=checks.share,
            contrast=checks.share,
            saturation=checks.share,
            p=checks.share,
        )
        checks.finite("hue", hue, at_least=0, at_most=0.5)
        self.strengths = (brightness, contrast, saturation)
        self.hue = hue
        self.p = p

    def draw(self, draws: Draws) -> np.ndarray:
        jittered = draws.chance(self.p)
        numbers = [draws.uniform(1 - x, 1 + x) for x in self.strengths]
        numbers.append(draws.uniform(-self.hue, self.hue))
        numbers.append(np.floor(draws.uniform(0, len(JITTER_ORDERS))))
        return np.where(jittered[:, None], np.stack(numbers, 1), self.neutral)

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        return torch.stack(jitter(list(images.unbind(1)), numbers), 1)

    def arrange(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        return arrange_jitter(numbers)

    def compute(self, form: int, images: Tensor, arranged: Tensor) -> Tensor:
        return torch.stack(jitter_in_form(list(images.unbind(1)), arranged, form), 1)


class RandomGrayscale(PhotometricStep):
    """Grey with chance `p`.

    Args:
        p: the chance.

    Raises:
        ValueError: if `p` lies outside [0, 1].

    Example:
        >>> RandomGrayscale(0.2).apply(torch.ones(1, 3, 1, 1), torch.tensor([[1.0]])).flatten()
        tensor([0.9999, 0.9999, 0.9999])
    """

    num_numbers = 1
    neutral = (0.0,)
    compiles = False  # too little to do

    def __init__(self, p: float = 0.2) -> None:
        checks.arguments(RandomGrayscale.__init__, locals(), p=checks.share)
        self.p = p

    def draw(self, draws: Draws) -> np.ndarray:
        return draws.chance(self.p)[:, None]

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        happens = numbers[:, :, None].to(images.dtype)  # 0 or 1, which lerp takes exactly
        planes = images.unbind(1)
        luminance = grey(planes)
        return torch.stack([torch.lerp(plane, luminance, happens) for plane in planes], 1)


class GaussianBlur(PhotometricStep):
    """Gaussian blur with chance `p` and a random width.

    Args:
        low: smallest sigma in pixels.
        high: largest sigma in pixels; the kernel reaches three times as far.
        p: the chance.

    Raises:
        ValueError: if the range is empty or not positive, or `p` lies outside [0, 1].

    Source:
        Chen et al., MoCo v2 (2020): sigma from [0.1, 2.0] pixels at 224 px, p 0.5. Differs from
        it: a true Gaussian, where PIL approximates it by boxes.

    Example:
        >>> image = torch.zeros(1, 3, 1, 3)
        >>> image[..., 1] = 1.0
        >>> GaussianBlur(0.1, 0.5).apply(image, torch.tensor([[0.0]]))[0, 0]  # 0 = not blurred
        tensor([[0., 1., 0.]])
    """

    num_numbers = 1
    neutral = (0.0,)

    def __init__(self, low: float = 0.1, high: float = 2.0, *, p: float = 0.5) -> None:
        checks.arguments(
            GaussianBlur.__init__,
            locals(),
            low=checks.positive,
            high=checks.positive,
            p=checks.share,
        )
        if low > high:
            checks.refuse("low", f"at most `high`={high}", low)
        self.low, self.high = low, high
        self.p = p

    def draw(self, draws: Draws) -> np.ndarray:
        blurred = draws.chance(self.p)
        return np.where(blurred, draws.uniform(self.low, self.high), 0.0)[:, None]

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        return gaussian_blur(images, numbers[:, 0], radius=math.ceil(3 * self.high))


class RandomSolarize(PhotometricStep):
    """Inverts the bright values with chance `p`.

    Args:
        p: the chance.
        threshold: values from here on, in [0, 1], are inverted.

    Raises:
        ValueError: if `p` or `threshold` lies outside [0, 1].

    Source:
        torchvision's RandomSolarize; Grill et al., BYOL (2020): p 0.2 in the second view.

    Example:
        >>> image = torch.tensor([0.2, 0.7]).expand(1, 3, 1, 2)
        >>> RandomSolarize().apply(image, torch.tensor([[1.0]]))[0, 0]
        tensor([[0.2000, 0.3000]])
    """

    num_numbers = 1
    neutral = (0.0,)
    compiles = False  # too little to do

    def __init__(self, p: float = 0.2, *, threshold: float = 0.5) -> None:
        checks.arguments(RandomSolarize.__init__, locals(), p=checks.share, threshold=checks.share)
        self.p = p
        self.threshold = threshold

    def draw(self, draws: Draws) -> np.ndarray:
        return draws.chance(self.p)[:, None]

    def apply(self, images: Tensor, numbers: Tensor) -> Tensor:
        inverted = (numbers[:, :, None, None] > 0) & (images >= self.threshold)
        return torch.where(inverted, 1 - images, images)
