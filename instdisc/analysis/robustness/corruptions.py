"""Corrupted images: the kinds of ImageNet-C for any images, batched on their device.

Legend: B batch, H x W size of an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call

from .operators import OPERATORS
from .random_fields import image_keys
from .strengths import SEVERITIES, STRENGTHS

CORRUPTIONS = tuple(STRENGTHS)
_SMALLEST = 4  # pixels, below which clouds and displacements have no meaning


@checked_call()
def corruptions(
    images: Tensor,
    names: Sequence[str] = CORRUPTIONS,
    *,
    severities: Sequence[int] = SEVERITIES,
    indices: Tensor | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Images with every kind of corruption at every severity, see `corrupt`.

    Args:
        images: ``(B, 3, H, W)`` float in [0, 1].
        names: among `CORRUPTIONS`.
        severities: 1 to 5.
        indices: ``(B,)`` int64 positions of the images in their set; ``None`` for 0 to B - 1.
        seed: of the random numbers, from 0.

    Returns:
        By name ``(S, B, 3, H, W)`` float32, one entry per severity. Seventy times the images by
        default: take few at a time.

    Raises:
        TypeError, ValueError: see `corrupt`; if there is no name or no severity.

    Example:
        >>> corruptions(torch.rand(2, 3, 32, 32), ["contrast"])["contrast"].shape
        torch.Size([5, 2, 3, 32, 32])
    """
    for name, values in (("names", names), ("severities", severities)):
        if not isinstance(values, list | tuple) or not values:
            checks.refuse(name, "a list of at least one", values)
    for name in names:
        checks.choice("names", name, CORRUPTIONS)
    for severity in severities:
        checks.whole("severities", severity, at_most=len(SEVERITIES))
    return {
        name: torch.stack(
            [corrupt(images, name, severity=s, indices=indices, seed=seed) for s in severities]
        )
        for name in names
    }


@checked_call()
def corrupt(
    images: Tensor,
    corruption: str,
    *,
    severity: int = 3,
    indices: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    """Images with one kind of corruption, as 8-bit files would hold them.

    Random numbers depend on seed, kind and the image's index alone: neither on batch nor on device.
    An image has the same ones at every severity, so that severities differ by strength only.

    Args:
        images: ``(B, 3, H, W)`` float in [0, 1].
        corruption: one of `CORRUPTIONS`: all kinds of ImageNet-C but frost, which needs
            photographs.
        severity: 1 to 5.
        indices: ``(B,)`` int64 positions of the images in their set; ``None`` for 0 to B - 1.
        seed: of the random numbers, from 0.

    Returns:
        ``(B, 3, H, W)`` float32 in [0, 1], in steps of 1 / 255.

    Raises:
        TypeError: if `images` are no float tensor, or `indices` no int64 tensor.
        ValueError: if there is no such kind or severity, the images lie outside [0, 1] or are
            smaller than 4 px, or the indices are not as many.

    Source:
        Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions
        and Perturbations" (2019), strengths of their code. Differs from it: lengths shrink with
        the view from 224 px (theirs have other numbers for 64 and 32 px); disks and lines are
        drawn with part pixels; glass moves each pixel by a random step where theirs swaps
        neighbours one after another; fog sums octaves of smooth noise instead of the
        diamond-square algorithm; and nothing is saved as JPEG of quality 85 afterwards. So errors
        are near those on the official files but not comparable with published ones.

    Example:
        >>> grey = torch.full((1, 3, 32, 32), 0.5)
        >>> corrupt(grey, "gaussian_noise", severity=1).std().round(decimals=2)
        tensor(0.0800)
    """
    checks.choice("corruption", corruption, CORRUPTIONS)
    checks.whole("severity", severity, at_most=len(SEVERITIES))
    checks.shape("images", images, ("B", 3, "H", "W"))
    checks.dtype("images", images, checks.FLOATS)
    if min(images.shape[2:]) < _SMALLEST:
        checks.refuse("images", f"at least {_SMALLEST} pixels wide and high", images)
    images = images.float()
    if images.numel() and not bool(((images >= 0) & (images <= 1)).all()):
        checks.refuse(
            "images", "in [0, 1]", float(images.flatten()[images.abs().argmax()]), "Divide by 255."
        )
    if indices is None:
        indices = torch.arange(len(images))
    checks.shape("indices", indices, (len(images),))
    checks.dtype("indices", indices, torch.int64)
    if not len(images):
        return images
    keys = image_keys(seed, corruption, indices.to(images.device))
    strength = STRENGTHS[corruption][severity - 1]
    corrupted = OPERATORS[corruption](images, strength, keys)
    return (corrupted.clamp(0, 1) * 255).round() / 255
