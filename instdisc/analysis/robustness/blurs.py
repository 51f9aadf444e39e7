"""Blurs of whole batches, with edges that repeat or reflect.

Legend: B batch, H x W size of an image, K side of a kernel, T points along a line.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_FINE = 8  # points per pixel that a disk and a line are drawn with


def smooth(images: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of any width; beyond the edge the image is mirrored.

    Args:
        images: ``(B, C, H, W)``.
        sigma: in pixels; 0 changes nothing.
    """
    if not sigma > 0:
        return images
    rows, columns = (
        _smoothing(side, sigma).to(images.device, images.dtype) for side in images.shape[2:]
    )
    return rows @ images @ columns.T


def convolve(images: Tensor, kernels: Tensor) -> Tensor:
    """Each image weighted with its kernel; beyond the edge its border pixels are repeated.

    Args:
        images: ``(B, C, H, W)``.
        kernels: ``(B, K, K)``, or ``(1, K, K)`` for all; K odd.
    """
    radius = kernels.shape[-1] // 2
    padded = F.pad(images, [radius] * 4, mode="replicate")
    size = padded.shape[2:]
    # Through Fourier space: a kernel of 80 x 80 costs no more than one of 3 x 3.
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernels.flip(1, 2)[:, None], s=size)
    blurred = torch.fft.irfft2(spectrum, s=size)
    return blurred[:, :, 2 * radius :, 2 * radius :]


def disk(radius: float, device: torch.device) -> Tensor:
    """``(1, K, K)`` share of each pixel that lies in a disk around the middle, of sum 1."""
    half = max(1, math.ceil(radius))
    steps = (torch.arange((2 * half + 1) * _FINE, device=device) + 0.5) / _FINE - half - 0.5
    inside = (steps[:, None].square() + steps.square() <= radius**2).float()
    kernel = F.avg_pool2d(inside[None], _FINE)
    return kernel / kernel.sum() if bool(kernel.sum() > 0) else _point(half, device)


def line(length: float, sigma: float, angles: Tensor) -> Tensor:
    """``(B, K, K)`` half a Gaussian along a line that begins in the middle, of sum 1.

    Args:
        length: of the line in pixels.
        sigma: of the Gaussian in pixels.
        angles: ``(B,)`` in radians.
    """
    half = max(1, math.ceil(length) + 1)
    side = 2 * half + 1
    along = torch.arange(math.ceil(length * _FINE) + 1, device=angles.device) / _FINE  # (T,)
    weights = (-along.square() / (2 * sigma**2)).exp()
    weights = weights / weights.sum()
    x, y = (half + curve(angles)[:, None] * along for curve in (torch.cos, torch.sin))  # (B, T)
    left, top = x.floor(), y.floor()
    kernels = torch.zeros(len(angles), side * side, device=angles.device)
    for right in (0, 1):
        for below in (0, 1):
            part = (1 - (x - left - right).abs()) * (1 - (y - top - below).abs())
            place = ((top + below) * side + left + right).long().clamp(0, side * side - 1)
            kernels.scatter_add_(1, place, part * weights)
    return kernels.view(-1, side, side)


def _smoothing(side: int, sigma: float) -> Tensor:
    """``(side, side)`` weights of a Gaussian on mirrored rows, cut off at three sigma."""
    reach = math.ceil(3 * sigma)
    offsets = torch.arange(-reach, reach + 1)
    weights = (-offsets.double().square() / (2 * sigma**2)).exp()
    sources = (torch.arange(side)[:, None] + offsets) % (2 * side)
    sources = torch.where(sources >= side, 2 * side - 1 - sources, sources)
    matrix = torch.zeros(side, side, dtype=torch.float64)
    return matrix.scatter_add_(1, sources, (weights / weights.sum()).expand(side, -1))


def _point(half: int, device: torch.device) -> Tensor:
    kernel = torch.zeros(1, 2 * half + 1, 2 * half + 1, device=device)
    kernel[:, half, half] = 1
    return kernel
