"""Operators on the colours of a batch, equal to torchvision's on one image.

They work on the three colour planes, a list of ``(B, H, W)`` tensors. `native/colours.c` and
`fused/pixels.py` have the same for the CPU's compiled loops and for Triton.

Legend: B batch, H x W image size. Values are float in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Planes = list[Tensor]  # red, green, blue


def brightness(planes: Planes, factor: Tensor) -> Planes:
    """Scales by `factor` ``(B, 1, 1)``, not negative."""
    return [(plane * factor).clamp_(max=1) for plane in planes]


def contrast(planes: Planes, factor: Tensor) -> Planes:
    """Blends with the mean grey of the image: `factor` 0 is that grey, 1 the image."""
    rest = grey(planes).mean((1, 2), keepdim=True) * (1 - factor)
    return [(plane * factor).add_(rest).clamp_(0, 1) for plane in planes]


def saturation(planes: Planes, factor: Tensor) -> Planes:
    """Blends with the grey of each pixel: `factor` 0 is the grey image, 1 the image."""
    rest = grey(planes) * (1 - factor)
    return [torch.addcmul(rest, plane, factor).clamp_(0, 1) for plane in planes]


def hue(planes: Planes, shift: Tensor) -> Planes:
    """Turns the colours by `shift` ``(B, 1, 1)``, in turns of the colour circle."""
    red, green, blue = planes
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)  # HSV: value x saturation
    # Grey has no hue: its chroma of 0 makes any hue give the grey again.
    part = (chroma * 6).clamp_(min=1e-20).reciprocal_()
    near_red = (green - blue).mul_(part)
    near_green = (blue - red).mul_(part).add_(1 / 3)
    near_blue = (red - green).mul_(part).add_(2 / 3)
    rest = _where_0(value - green, near_green, near_blue)
    turns = _where_0(value - red, near_red, rest).add_(shift)  # from -1/6 to 5/6, and the shift
    turned = []
    for plane, turn in zip(planes, (1 / 2, 1 / 6, -1 / 6), strict=True):
        # How far from the colour that lacks this primary: 0 there, 1/2 at the primary itself.
        away = turns + turn
        away = away.sub_(away.round()).abs_()
        lack = away.mul_(-6).add_(2).clamp_(0, 1)
        turned.append(_where_0(shift, plane, value - lack.mul_(chroma)))
    return turned


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
    down, across = (min(radius, side - 1) for side in images.shape[-2:])
    padded = F.pad(images, (across, across, down, down), mode="reflect")
    rows = _gaussian(sigma.to(images.dtype), down)
    columns = rows if down == across else _gaussian(sigma.to(images.dtype), across)
    # Along the whole image as one row of numbers, which keeps the loops long: what lies in the
    # borders of the result is a mixture of neighbouring rows or planes, and is cut off.
    tall, wide = padded.shape[-2:]
    flat = _slide(_slide(padded.flatten(1), columns, 1), rows, wide)
    height, width = images.shape[-2:]
    return flat.view(-1, 3, tall, wide)[:, :, :height, :width]


def _gaussian(sigma: Tensor, reach: int) -> Tensor:
    """``(B, 2 reach + 1)`` weights, whose sum is 1."""
    taps = torch.arange(-reach, reach + 1, device=sigma.device, dtype=sigma.dtype)
    return (-0.5 * (taps / sigma.clamp(min=1e-3)[:, None]) ** 2).softmax(1)


def _slide(flat: Tensor, weights: Tensor, step: int) -> Tensor:
    """Weighs neighbours that are `step` numbers apart; the last few of a row are not valid."""
    first, *others = weights[:, :, None].unbind(1)
    total = flat * first
    for tap, weight in enumerate(others, start=1):
        valid = flat.shape[1] - tap * step
        total[:, :valid].addcmul_(flat[:, tap * step :], weight)
    return total


def _where_0(number: Tensor, here: Tensor, elsewhere: Tensor) -> Tensor:
    """One tensor where a number is 0, another where it is more, or less."""
    # torch's `where` takes eight times as long.
    return torch.lerp(here, elsewhere, number.sign().abs_())


def grey(planes: Sequence[Tensor]) -> Tensor:
    """The luminance ``(B, H, W)``."""
    red, green, blue = planes
    # torchvision's weights
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)
