"""Random numbers that follow from what they are for, on any device alike.

Legend: B streams, K numbers of each.
"""

from __future__ import annotations

import torch
from torch import Tensor

# As signed numbers of 64 bits, whose products wrap around as those without a sign do.
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


def mix_bits(numbers: Tensor) -> Tensor:
    """Numbers whose bits look random, each from one of `numbers`; different ones from different.

    Args:
        numbers: int64, of any shape.

    Returns:
        int64 of that shape, over the whole range.

    Source:
        The finaliser of SplitMix64: Steele et al., "Fast Splittable Pseudorandom Number Generators"
        (2014), with the constants of Stafford's variant 13.

    Example:
        >>> mix_bits(torch.tensor([0, 1]))
        tensor([                  0, 6238072747940578789])
    """
    mixed = (numbers ^ _shift(numbers, 30)) * _FIRST
    mixed = (mixed ^ _shift(mixed, 27)) * _SECOND
    return mixed ^ _shift(mixed, 31)


def stream_of_bits(starts: Tensor, count: int) -> Tensor:
    """SplitMix64 from each of several starts.

    Args:
        starts: ``(B,)`` int64.
        count: K.

    Returns:
        ``(B, K)`` int64, over the whole range.

    Example:
        >>> stream_of_bits(torch.tensor([0]), 2)
        tensor([[-2152535657050944081,  7960286522194355700]])
    """
    steps = torch.arange(1, count + 1, device=starts.device)  # (K,)
    return mix_bits(starts[:, None] + steps * _GOLDEN)


def _shift(numbers: Tensor, places: int) -> Tensor:
    """To the right, as numbers without a sign: zeros come in from the left."""
    return (numbers >> places) & (2 ** (64 - places) - 1)
