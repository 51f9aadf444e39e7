"""Random numbers for every pixel of an image that depend on seed, image and purpose alone.

They are integer arithmetic on the device where the images lie: the same on every device, for every
batch size and order, and nothing of torch's own generators.

Legend: B batch, K numbers of an image.
"""

from __future__ import annotations

import math
import zlib

import torch
from torch import Tensor

_MASK = 0xFFFFFFFFFFFFFFFF


def image_keys(seed: int, purpose: str, indices: Tensor) -> Tensor:
    """A key for each image, ``(B,)`` int64, on the device of `indices`.

    Args:
        seed: of the run, from 0.
        purpose: what the numbers are for; another one has other numbers.
        indices: ``(B,)`` int64 positions of the images in their set.

    Example:
        >>> first, second = image_keys(0, "noise", torch.tensor([3, 8]))
        >>> bool(second == image_keys(0, "noise", torch.tensor([8]))[0])
        True
    """
    start = (seed * 0x9E3779B97F4A7C15 + (zlib.crc32(purpose.encode()) << 20)) & _MASK
    return _mix(indices.long() * _signed(0xD1342543DE82EF95) + _signed(start))


def draw_words(keys: Tensor, count: int, stream: int = 0) -> Tensor:
    """``(B, K)`` int64 in [0, 2**32), uniform.

    Args:
        keys: ``(B,)`` of `image_keys`.
        count: K.
        stream: another one has other numbers.

    Source:
        Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014): the
        finaliser of SplitMix64, on a counter.
    """
    counter = torch.arange(1, count + 1, device=keys.device) + (stream << 40)
    return _shift(_mix(keys[:, None] + counter * _signed(0x9E3779B97F4A7C15)), 32)


def draw_uniform(
    keys: Tensor, count: int, stream: int = 0, *, low: float = 0.0, high: float = 1.0
) -> Tensor:
    """``(B, K)`` float32 between `low` and `high`, never one of them.

    Args:
        keys: see `draw_words`.
        count: K.
        stream: another one has other numbers.
        low: lower end.
        high: upper end.

    Example:
        >>> keys = image_keys(0, "noise", torch.tensor([3, 8]))
        >>> draw_uniform(keys, 10_000).mean(1).round(decimals=1)
        tensor([0.5000, 0.5000])
    """
    # 23 bits and a half are exact in float32.
    shares = ((draw_words(keys, count, stream) >> 9).float() + 0.5) * 2.0**-23
    return low + (high - low) * shares


def draw_normal(keys: Tensor, count: int, stream: int = 0) -> Tensor:
    """``(B, K)`` float32 of the standard normal law (Box and Muller).

    Args:
        keys: see `draw_words`.
        count: K.
        stream: another one has other numbers.

    Example:
        >>> keys = image_keys(0, "noise", torch.tensor([3]))
        >>> draw_normal(keys, 20_000).std().round(decimals=1)
        tensor(1.)
    """
    radius = (-2 * draw_uniform(keys, count, 2 * stream).log()).sqrt()
    return radius * (2 * math.pi * draw_uniform(keys, count, 2 * stream + 1)).cos()


def _mix(words: Tensor) -> Tensor:
    words = (words ^ _shift(words, 30)) * _signed(0xBF58476D1CE4E5B9)
    words = (words ^ _shift(words, 27)) * _signed(0x94D049BB133111EB)
    return words ^ _shift(words, 31)


def _shift(words: Tensor, by: int) -> Tensor:
    """To the right, filled with zeros; torch's own repeats the sign."""
    return (words >> by) & ((1 << (64 - by)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >= 1 << 63 else word
