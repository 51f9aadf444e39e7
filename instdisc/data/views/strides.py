"""How the pixels of images lie in memory, for loops that go by strides.

Legend: B images, H x W their size.
"""

from __future__ import annotations

from torch import Tensor

Strides = tuple[int, int, int]


def linear(images: Tensor) -> tuple[Tensor, Strides]:
    """Images ``(B, 3, H, W)`` whose pixels follow each other at one distance, and their strides.

    Returns:
        The images, copied if need be, and the distances of images, planes and pixels.

    Example:
        >>> import torch
        >>> linear(torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last))[1]
        (60, 1, 3)
    """
    _, _, height, width = images.shape
    image, plane, down, across = images.stride()
    if width == 1:
        across = down
    elif height > 1 and down != width * across:
        return linear(images.contiguous())
    return images, (image, plane, across)
