"""Colour and blur, batched on the device with numbers that a worker drew.

Legend: B batch, H x W image size, n numbers of a step. Images are float in [0, 1].
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class PhotometricStep(ABC):
    """One step on the colours; subclass it to add your own.

    A worker calls `draw` for each view of each image; the device calls `apply` for the batch.

    Attributes:
        num_numbers: n, how many numbers `draw` returns.
    """

    num_numbers: int

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> list[float]:
        """The n random numbers of one view, a "do nothing" included if the step is a chance."""

    @abstractmethod
    def apply(self, images: Tensor, numbers: Tensor, order: int) -> Tensor:
        """Applies the step.

        Args:
            images: ``(B, 3, H, W)`` float in [0, 1].
            numbers: ``(B, n)``, row b drawn for image b.
            order: a number that is the same for the whole epoch, for steps whose parts can be
                done in several orders.

        Returns:
            ``(B, 3, H, W)`` float in [0, 1].
        """


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
        torchvision's ColorJitter, whose operators these equal. Differs from it: the order of
        the four is drawn once per epoch and view instead of per image, which keeps the batch
        together.

    Example:
        >>> jitter = ColorJitter(0.4, 0.0, 0.0, 0.0, p=1.0)
        >>> jitter.apply(torch.full((1, 3, 1, 1), 0.5), torch.tensor([[1.2, 1, 1, 0]]), 0).flatten()
        tensor([0.6000, 0.6000, 0.6000])
    """

    num_numbers = 4

    def __init__(
        self, brightness: float, contrast: float, saturation: float, hue: float, *, p: float = 0.8
    ) -> None:
        strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for name, value in strengths.items():
            if not 0 <= value <= 1:
                raise ValueError(f"`{name}` must lie in [0, 1], got {value}")
        if not 0 <= hue <= 0.5:
            raise ValueError(f"`hue` must lie in [0, 0.5], got {hue}")
        self.strengths = (brightness, contrast, saturation)
        self.hue = hue
        self.p = check_chance(p)

    def draw(self, rng: np.random.Generator) -> list[float]:
        if rng.random() >= self.p:
            return [1.0, 1.0, 1.0, 0.0]
        factors = [rng.uniform(1 - x, 1 + x) for x in self.strengths]
        return [*factors, rng.uniform(-self.hue, self.hue)]

    def apply(self, images: Tensor, numbers: Tensor, order: int) -> Tensor:
        operators = [adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue]
        for position in _permutation(order, len(operators)):
            images = operators[position](images, numbers[:, position])
        return images


class RandomGrayscale(PhotometricStep):
    """Grey with chance `p`.

    Args:
        p: the chance.

    Raises:
        ValueError: if `p` lies outside [0, 1].

    Example:
        >>> RandomGrayscale(0.2).apply(torch.ones(1, 3, 1, 1), torch.tensor([[1.0]]), 0).flatten()
        tensor([0.9999, 0.9999, 0.9999])
    """

    num_numbers = 1

    def __init__(self, p: float = 0.2) -> None:
        self.p = check_chance(p)

    def draw(self, rng: np.random.Generator) -> list[float]:
        return [float(rng.random() < self.p)]

    def apply(self, images: Tensor, numbers: Tensor, order: int) -> Tensor:
        return torch.where(numbers[:, :, None, None] > 0, grayscale(images), images)


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
        >>> GaussianBlur(0.1, 0.5).apply(image, torch.tensor([[0.0]]), 0)[0, 0]  # 0 = not blurred
        tensor([[0., 1., 0.]])
    """

    num_numbers = 1

    def __init__(self, low: float = 0.1, high: float = 2.0, *, p: float = 0.5) -> None:
        if not 0 < low <= high:
            raise ValueError(f"`low` and `high` must satisfy 0 < low <= high, got {low}, {high}")
        self.low, self.high = low, high
        self.p = check_chance(p)

    def draw(self, rng: np.random.Generator) -> list[float]:
        blurred = rng.random() < self.p
        sigma = rng.uniform(self.low, self.high)
        return [sigma if blurred else 0.0]

    def apply(self, images: Tensor, numbers: Tensor, order: int) -> Tensor:
        return gaussian_blur(images, numbers[:, 0], radius=math.ceil(3 * self.high))


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Scales ``(B, 3, H, W)`` by ``(B,)`` factors; torchvision's operator."""
    return (images * _per_image(factor)).clamp(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Blends ``(B, 3, H, W)`` with its mean grey; torchvision's operator."""
    mean = _grey(images).mean((1, 2, 3), keepdim=True)
    return _blend(images, mean, factor)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Blends ``(B, 3, H, W)`` with its grey version; torchvision's operator."""
    return _blend(images, _grey(images), factor)


def adjust_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turns the colours of ``(B, 3, H, W)`` by ``(B,)`` turns; torchvision's operator."""
    red, green, blue = images.unbind(1)  # (B, H, W)
    value = images.amax(1)
    chroma = value - images.amin(1)
    saturation = chroma / value.clamp(min=1e-12)
    divisor = torch.where(chroma == 0, 1.0, chroma)
    hue = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )  # in sixths of a turn
    hue = hue + 6 * shift[:, None, None]
    height = value * saturation
    planes = []
    for offset in (5, 3, 1):
        k = (offset + hue) % 6
        planes.append(value - height * torch.minimum(k, 4 - k).clamp(0, 1))
    turned = torch.stack(planes, 1)
    return torch.where(_per_image(shift) == 0, images, turned)


def grayscale(images: Tensor) -> Tensor:
    """The luminance of ``(B, 3, H, W)`` in all three channels; torchvision's operator."""
    return _grey(images).expand_as(images)


def gaussian_blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Blurs each image by its own Gaussian, with reflected borders.

    Args:
        images: ``(B, 3, H, W)``.
        sigma: ``(B,)`` in pixels; 0 leaves the image as it is.
        radius: the kernel has ``2 * radius + 1`` taps, fewer where the image is too small to be
            reflected that far.

    Returns:
        ``(B, 3, H, W)``.
    """
    height, width = images.shape[-2:]
    for dim, size in ((-1, width), (-2, height)):
        reach = min(radius, size - 1)
        taps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
        weights = torch.exp(-0.5 * (taps / sigma.clamp(min=1e-3)[:, None]) ** 2)  # (B, taps)
        weights = weights / weights.sum(1, keepdim=True)
        padding = (reach, reach, 0, 0) if dim == -1 else (0, 0, reach, reach)
        padded = F.pad(images, padding, mode="reflect") if reach else images
        blurred = torch.zeros_like(images)
        for tap in range(2 * reach + 1):
            blurred.addcmul_(padded.narrow(dim, tap, size), _per_image(weights[:, tap]))
        images = blurred
    return images


def check_chance(p: float) -> float:
    """Returns `p`.

    Raises:
        ValueError: if it lies outside [0, 1].
    """
    if not 0 <= p <= 1:
        raise ValueError(f"`p` is a chance and must lie in [0, 1], got {p}")
    return p


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    factor = _per_image(factor)
    return (images * factor + other * (1 - factor)).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    red, green, blue = images.unbind(1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue)[:, None]  # torchvision's weights


def _per_image(numbers: Tensor) -> Tensor:
    return numbers[:, None, None, None]


def _permutation(number: int, count: int) -> list[int]:
    """The `number`-th order of `count` things, modulo the number of orders."""
    left, order = list(range(count)), []
    for remaining in range(count, 0, -1):
        number, position = divmod(number, remaining)
        order.append(left.pop(position))
    return order
