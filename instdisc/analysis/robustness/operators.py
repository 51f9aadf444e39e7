"""The corruptions: noise, blur, weather and digital, each on a whole batch.

Legend: B batch, H x W size of an image; P = 3 H W values of an image.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from .blurs import convolve, disk, line, smooth
from .random_fields import draw_normal, draw_uniform, draw_words
from .strengths import SIDE

# From images ``(B, 3, H, W)`` in [0, 1], a strength and keys ``(B,)`` to images, not clipped.
Corruption = Callable[[Tensor, Sequence[float], Tensor], Tensor]


def _gaussian_noise(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    return images + strength[0] * draw_normal(keys, images[0].numel()).view_as(images)


def _shot_noise(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    photons = int(strength[0])
    # Of the Poisson law of each of the 256 values: how likely at most k photons are, in 2^-32.
    counts = torch.arange(photons, dtype=torch.float64)
    means = photons * torch.arange(256, dtype=torch.float64)[:, None] / 255
    ladder = (torch.special.gammaincc(counts + 1, means) * 2.0**32).round().long()
    steps = (ladder + (torch.arange(256)[:, None] << 33)).flatten().to(images.device)
    levels = (images * 255).round().long().flatten(1)
    words = draw_words(keys, levels.shape[1]) + (levels << 33)
    reached = torch.searchsorted(steps, words, right=True) - levels * photons
    return (reached.float() / photons).view_as(images)


def _impulse_noise(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    chance = draw_uniform(keys, images[0].numel()).view_as(images)
    salted = torch.where(chance > 1 - strength[0] / 2, torch.ones_like(images), images)
    return torch.where(chance < strength[0] / 2, torch.zeros_like(images), salted)


def _defocus_blur(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    return convolve(images, disk(strength[0] * _scale(images), images.device))


def _glass_blur(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    sigma, reach, rounds = strength
    sigma, reach = sigma * _scale(images), reach * _scale(images)
    height, width = images.shape[2:]
    images = smooth(images, sigma)
    rows = torch.arange(height, device=images.device)[:, None]
    columns = torch.arange(width, device=images.device)
    for turn in range(int(rounds)):
        places = []
        for axis, (position, side) in enumerate(((rows, height), (columns, width))):
            # Rounded up or down by chance, so that small views are disturbed in part.
            shift, chance = (
                draw_uniform(keys, height * width, 4 * turn + 2 * axis + k).view(-1, height, width)
                for k in (0, 1)
            )
            moved = position + (reach * (2 * shift - 1) + chance).floor().long()
            places.append(moved.clamp(0, side - 1))
        taken = (places[0] * width + places[1]).flatten(1)[:, None].expand(-1, 3, -1)
        images = images.flatten(2).gather(2, taken).view_as(images)
    return smooth(images, sigma)


def _motion_blur(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    radius, sigma = (length * _scale(images) for length in strength)
    angles = draw_uniform(keys, 1, low=-math.pi / 4, high=math.pi / 4)[:, 0]
    return convolve(images, line(2 * radius, sigma, angles))


def _zoom_blur(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    count, step = int(strength[0]), strength[1]
    total = images + images
    for k in range(1, count):
        total = total + _zoom(images, 1 + step * k)
    return total / (count + 1)


def _snow(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    mean, deviation, zoom, threshold, radius, sigma, kept = strength
    layer = draw_normal(keys, images[0, 0].numel()).view(-1, 1, *images.shape[2:])
    layer = _zoom(mean + deviation * layer, zoom)
    layer = torch.where(layer < threshold, torch.zeros_like(layer), layer).clamp(0, 1)
    angles = draw_uniform(keys, 1, 9, low=-0.75 * math.pi, high=-0.25 * math.pi)[:, 0]
    scale = _scale(images)
    layer = convolve(layer, line(2 * radius * scale, sigma * scale, angles))
    whitened = torch.maximum(images, _grey(images) * 1.5 + 0.5)
    return kept * images + (1 - kept) * whitened + layer + layer.flip(2, 3)


def _fog(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    density, decay = strength
    side = max(images.shape[2:])
    clouds = images.new_zeros(len(images), 1, side, side)
    for octave in range(int(math.log2(side)) + 1):
        points = 2**octave + 1
        lattice = draw_uniform(keys, points**2, octave, low=-1).view(-1, 1, points, points)
        clouds += decay ** (-2 * octave) * F.interpolate(
            lattice, (side, side), mode="bilinear", align_corners=True
        )
    clouds = clouds - clouds.amin((2, 3), keepdim=True)
    clouds = clouds / clouds.amax((2, 3), keepdim=True)
    brightest = images.amax((1, 2, 3), keepdim=True)
    height, width = images.shape[2:]
    return (images + density * clouds[:, :, :height, :width]) * brightest / (brightest + density)


def _brightness(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    value = images.amax(1, keepdim=True)
    brighter = (value + strength[0]).clamp(max=1)
    return torch.where(value > 0, images * brighter / value.clamp(min=1e-8), brighter)


def _contrast(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    means = images.mean((2, 3), keepdim=True)
    return means + strength[0] * (images - means)


def _elastic_transform(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    amount, sigma, corners = (length * _scale(images) for length in strength)
    height, width = images.shape[2:]
    fields = [
        draw_uniform(keys, height * width, axis, low=-1).view(-1, 1, height, width)
        for axis in (0, 1)
    ]
    shifts = amount * smooth(torch.cat(fields, 1), sigma)  # (B, 2, H, W) x, y
    # Three points are displaced; the affine map that does so, in pixels from the middle.
    third = min(height, width) // 3
    points = images.new_tensor([[third, third, 1], [third, -third, 1], [-third, -third, 1]])
    moved = points[:, :2] + draw_uniform(keys, 6, 2, low=-corners, high=corners).view(-1, 3, 2)
    affine = torch.linalg.solve(points.expand(len(images), 3, 3), moved)  # (B, 3, 2)
    x, y = _middle(width, images), _middle(height, images)
    grid = torch.stack(torch.broadcast_tensors(x, y[:, None], x.new_ones(())), -1)  # (H, W, 3)
    grid = torch.einsum("hwk,bkd->bhwd", grid, affine) + shifts.permute(0, 2, 3, 1)
    grid = grid / images.new_tensor([width / 2, height / 2])
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _pixelate(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    size = [max(1, int(side * strength[0])) for side in images.shape[2:]]
    return F.interpolate(
        F.interpolate(images, size, mode="area"), images.shape[2:], mode="nearest-exact"
    )


def _jpeg_compression(images: Tensor, strength: Sequence[float], keys: Tensor) -> Tensor:
    pixels = (images * 255).round().to(torch.uint8).cpu()
    again = [_through_jpeg(image.permute(1, 2, 0).numpy(), int(strength[0])) for image in pixels]
    return torch.stack(again).to(images.device).float() / 255


def _through_jpeg(pixels: NDArray[np.uint8], quality: int) -> Tensor:
    """``(H, W, 3)`` to ``(3, H, W)`` uint8."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)


def _zoom(images: Tensor, factor: float) -> Tensor:
    """The middle, as large as the whole."""
    theta = images.new_tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]]).expand(len(images), 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _grey(images: Tensor) -> Tensor:
    weights = images.new_tensor([0.299, 0.587, 0.114])
    return torch.einsum("bchw,c->bhw", images, weights)[:, None]


def _middle(side: int, like: Tensor) -> Tensor:
    return torch.arange(side, device=like.device, dtype=like.dtype) - (side - 1) / 2


def _scale(images: Tensor) -> float:
    return min(images.shape[2:]) / SIDE


OPERATORS: dict[str, Corruption] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "defocus_blur": _defocus_blur,
    "glass_blur": _glass_blur,
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": _snow,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic_transform": _elastic_transform,
    "pixelate": _pixelate,
    "jpeg_compression": _jpeg_compression,
}
