"""Confidence intervals in closed form."""

from __future__ import annotations

import math

from .bootstrap import Interval

_Z = 1.959963984540054


def wilson_interval(successes: float, count: int, level: float = 0.95) -> Interval:
    """Wilson's interval of a share."""
    share = successes / count
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = (
        _Z / (1 + _Z**2 / count) * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    )
    return Interval(max(0.0, middle - half), min(1.0, middle + half))
