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
    """Scales by `factor` ``(B, 1, 1)``, not negative."""
    return [_at_most_1(plane * factor) for plane in planes]


def contrast(planes: Planes, factor: Tensor) -> Planes:
    """Blends with the mean grey of the image: `factor` 0 is that grey, 1 the image."""
    mean = _grey(planes).mean((1, 2), keepdim=True)
    rest = mean * (1 - factor)
    return [_at_most_1((plane * factor).add_(rest)).relu_() for plane in planes]


def saturation(planes: Planes, factor: Tensor) -> Planes:
    """Blends with the grey of each pixel: `factor` 0 is the grey image, 1 the image."""
    rest = _grey(planes) * (1 - factor)
    return [_at_most_1((plane * factor).add_(rest)).relu_() for plane in planes]


def hue(planes: Planes, shift: Tensor) -> Planes:
    """Turns the colours by `shift` ``(B, 1, 1)``, in turns of the colour circle."""
    red, green, blue = planes
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)  # HSV: value x saturation
    # Grey has no hue: its chroma of 0 makes any hue give the grey again.
    part = torch.where(chroma == 0, 1.0, chroma * 6).reciprocal_()
    angle = torch.where(
        value == red,
        (green - blue).mul_(part),
        torch.where(
            value == green,
            (blue - red).mul_(part).add_(1 / 3),
            (red - green).mul_(part).add_(2 / 3),
        ),
    )  # -1/6 to 5/6
    turns = angle.add_(shift)
    turned = []
    for plane, turn in zip(planes, (1 / 2, 1 / 6, -1 / 6), strict=True):
        # How far from the colour that lacks this primary: 0 there, 1/2 at the primary itself.
        away = turns + turn
        away = away.sub_(away.round()).abs_()
        lack = _at_most_1(away.mul_(-6).add_(2)).relu_()
        turned.append(torch.where(shift == 0, plane, value - lack.mul_(chroma)))
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
    down, across = min(radius, height - 1), min(radius, width - 1)
    images, rows, columns = _prepared(images, sigma, down, across)
    if torch.compiler.is_compiling():  # a loop over the pixels for each direction
        return _slide(_slide(images, columns, 3), rows, 2)
    # Else along the whole image as one row of numbers, which keeps the loops long: what lies in
    # the borders of the result is a mixture of neighbouring rows or planes, and is cut off.
    tall, wide = images.shape[-2:]
    flat = images.flatten(1)
    flat = _slide_flat(_slide_flat(flat, columns, 1), rows, wide)
    return flat.view(-1, 3, tall, wide)[:, :, :height, :width]


@torch.compiler.disable  # compiled into the sum, they would be computed anew for every tap
def _prepared(
    images: Tensor, sigma: Tensor, down: int, across: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Images with reflected borders, and the weights of each ``(B, taps)``: rows, columns."""
    weights = []
    for reach in (down, across):
        taps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
        weight = torch.exp(-0.5 * (taps / sigma.clamp(min=1e-3)[:, None]) ** 2)
        weights.append(weight / weight.sum(1, keepdim=True))
    return F.pad(images, (across, across, down, down), mode="reflect"), weights[0], weights[1]


def _slide(padded: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Weighs ``(B, taps)`` neighbours along one dimension of a padded ``(B, 3, H, W)``."""
    size = padded.shape[dim] - weights.shape[1] + 1
    first, *others = weights[:, :, None, None, None].unbind(1)
    total = padded.narrow(dim, 0, size) * first
    for tap, weight in enumerate(others, start=1):
        total = total + padded.narrow(dim, tap, size) * weight
    return total


def _slide_flat(flat: Tensor, weights: Tensor, step: int) -> Tensor:
    """Weighs neighbours that are `step` numbers apart; the last few of a row are not valid."""
    total = torch.zeros_like(flat)
    for tap, weight in enumerate(weights[:, :, None].unbind(1)):
        valid = flat.shape[1] - tap * step
        total[:, :valid].addcmul_(flat[:, tap * step :], weight)
    return total


def _at_most_1(plane: Tensor) -> Tensor:
    if torch.compiler.is_compiling():  # where `clamp` looks for NaN too
        return torch.where(plane > 1, 1.0, plane)
    return plane.clamp_(max=1)


def _grey(planes: Planes) -> Tensor:
    red, green, blue = planes
    return 0.2989 * red + 0.587 * green + 0.114 * blue  # torchvision's weights
