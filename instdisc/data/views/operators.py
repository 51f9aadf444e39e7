"""Operators on the colours of a batch, equal to torchvision's on one image.

They work on the three colour planes, a list of ``(B, H, W)`` tensors: that compiles to one loop
over the pixels, where an operator on ``(B, 3, H, W)`` makes several.

Legend: B batch, H x W image size. Values are float in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

Planes = list[Tensor]  # red, green, blue


def brightness(planes: Planes, factor: Tensor) -> Planes:
    """Scales by `factor` ``(B, 1, 1)``."""
    return [(plane * factor).clamp(0, 1) for plane in planes]


def contrast(planes: Planes, factor: Tensor) -> Planes:
    """Blends with the mean grey of the image: `factor` 0 is that grey, 1 the image."""
    mean = _grey(planes).mean((1, 2), keepdim=True)
    rest = mean * (1 - factor)
    return [(plane * factor + rest).clamp(0, 1) for plane in planes]


def saturation(planes: Planes, factor: Tensor) -> Planes:
    """Blends with the grey of each pixel: `factor` 0 is the grey image, 1 the image."""
    rest = _grey(planes) * (1 - factor)
    return [(plane * factor + rest).clamp(0, 1) for plane in planes]


def hue(planes: Planes, shift: Tensor) -> Planes:
    """Turns the colours by `shift` ``(B, 1, 1)``, in turns of the colour circle."""
    red, green, blue = planes
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)  # HSV: value x saturation
    # Grey has no hue: its chroma of 0 makes any hue give the grey again.
    part = torch.where(chroma == 0, 1.0, chroma).reciprocal_()
    angle = torch.where(
        value == red,
        (green - blue).mul_(part),
        torch.where(
            value == green, (blue - red).mul_(part).add_(2), (red - green).mul_(part).add_(4)
        ),
    )  # -1 to 5, in sixths of a turn
    turns = angle.div_(6).add_(shift)
    turned = []
    for plane, turn in zip(planes, (1 / 2, 1 / 6, -1 / 6), strict=True):
        # How far from the colour that lacks this primary: 0 there, 1/2 at the primary itself.
        away = turns + turn
        away = away.sub_(away.round()).abs_()
        lack = away.mul_(-6).add_(2).clamp_(0, 1)
        turned.append(torch.where(shift == 0, plane, torch.addcmul(value, chroma, lack, value=-1)))
    return turned


def grayscale(images: Tensor) -> Tensor:
    """The luminance of ``(B, 3, H, W)`` in all three channels."""
    return _grey(list(images.unbind(1)))[:, None].expand_as(images)


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
    for size, dim in ((width, 3), (height, 2)):
        reach = min(radius, size - 1)
        taps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
        weights = torch.exp(-0.5 * (taps / sigma.clamp(min=1e-3)[:, None]) ** 2)  # (B, taps)
        weights = weights / weights.sum(1, keepdim=True)
        images = _weighted_sum(_reflected(images, reach, dim), weights, dim)
    return images


@torch.compiler.disable  # compiled into the sum, it would be computed anew for every tap
def _reflected(images: Tensor, reach: int, dim: int) -> Tensor:
    padding = (reach, reach, 0, 0) if dim == 3 else (0, 0, reach, reach)
    return F.pad(images, padding, mode="reflect")


def _weighted_sum(padded: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Slides ``(B, taps)`` weights along one dimension of a padded ``(B, 3, H, W)``."""
    num_taps = weights.shape[1]
    if torch.compiler.is_compiling():  # one loop over the pixels
        size = padded.shape[dim] - num_taps + 1
        columns = weights[:, :, None, None, None].unbind(1)
        total = padded.narrow(dim, 0, size) * columns[0]
        for tap, column in enumerate(columns[1:], start=1):
            total = total + padded.narrow(dim, tap, size) * column
        return total
    # Else a convolution in groups of one plane each: twice as fast as a loop over the taps.
    count, colours, height, width = padded.shape
    planes = padded.reshape(1, count * colours, height, width)
    kernel = weights.repeat_interleave(colours, 0)[:, None, None]  # (3 B, 1, 1, taps)
    kernel = kernel if dim == 3 else kernel.transpose(2, 3)
    blurred = F.conv2d(planes, kernel, groups=count * colours)
    return blurred.view(count, colours, *blurred.shape[2:])


def _grey(planes: Planes) -> Tensor:
    red, green, blue = planes
    return 0.2989 * red + 0.587 * green + 0.114 * blue  # torchvision's weights
