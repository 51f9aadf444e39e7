"""Surface patterns of `Scenes`: grey levels in [0, 1] over a plane, with a period of about 1.

Only +, -, *, sqrt, floor, abs and comparisons, elementwise: the same bits on every machine.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


def texture(pattern: int, p: Plane, q: Plane) -> Plane:
    """The grey level of a pattern at the points (p, q).

    Args:
        pattern: position in `PATTERNS`.
        p: float32, any shape.
        q: float32, the same shape.

    >>> x = np.arange(4, dtype=np.float32) / 4
    >>> texture(PATTERNS.index("stripes"), x, np.zeros_like(x)).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    return _FUNCTIONS[pattern](p, q)


def _triangle(x: Plane) -> Plane:
    """0 at the integers, 1 halfway between them."""
    return 1 - np.abs((x - np.floor(x)) * 2 - 1)


def _sharp(x: Plane, steepness: float) -> Plane:
    """A step at 0, smooth enough not to alias."""
    return (x * steepness + 0.5).clip(0, 1)


def _stripes(p: Plane, q: Plane) -> Plane:
    return _sharp(_triangle(p) - 0.5, 2)


def _checks(p: Plane, q: Plane) -> Plane:
    return _sharp((_triangle(p * 0.7) - 0.5) * (_triangle(q * 0.7) - 0.5), 12)


def _dots(p: Plane, q: Plane) -> Plane:
    p, q = _triangle(p) - 1, _triangle(q) - 1
    squared: Plane = p * p + q * q
    return _sharp(0.36 - squared, 3)


def _rings(p: Plane, q: Plane) -> Plane:
    radius: Plane = np.sqrt(p * p + q * q)
    return _sharp(_triangle(radius) - 0.5, 2.5)


def _grid(p: Plane, q: Plane) -> Plane:
    line: Plane = np.maximum(_triangle(p * 0.8), _triangle(q * 0.8))
    return _sharp(line - 0.75, 5)


def _zigzag(p: Plane, q: Plane) -> Plane:
    return _sharp(_triangle(q + 0.8 * _triangle(p * 0.6)) - 0.5, 2.5)


def _bricks(p: Plane, q: Plane) -> Plane:
    row = np.floor(q)
    joint = _triangle(p * 0.5 + 0.5 * (row - 2 * np.floor(row * 0.5)))
    return _sharp(np.minimum(_triangle(q) - 0.25, (joint - 0.12) * 2), 4)


def _marble(p: Plane, q: Plane) -> Plane:
    bent = _triangle(p * 0.4 + 0.8 * _triangle(q * 0.45))
    return _triangle(0.6 * q + 0.9 * bent + 0.3 * p) * bent


def _diamonds(p: Plane, q: Plane) -> Plane:
    return _sharp(_triangle(p * 0.7) + _triangle(q * 0.7) - 1, 3)


def _gradient(p: Plane, q: Plane) -> Plane:
    return _sharp(q, 0.25)


_FUNCTIONS: tuple[Callable[[Plane, Plane], Plane], ...] = (
    _stripes,
    _checks,
    _dots,
    _rings,
    _grid,
    _zigzag,
    _bricks,
    _marble,
    _diamonds,
    _gradient,
)
PATTERNS = tuple(function.__name__[1:] for function in _FUNCTIONS)
