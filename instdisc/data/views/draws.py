"""Random numbers that depend on nothing but what they are drawn for.

Legend: B views drawn for at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BLOCKS = 8  # blocks of four numbers made at once: as many as most policies need
_ROUNDS = 10


class Draws:
    """A stream of random numbers for each of B views, drawn side by side.

    Row b depends on ``(seed, epoch, indices[b], view)`` and on how many numbers were drawn before,
    not on its neighbours, so any worker that draws for an image gets the same.

    Args:
        seed: of the run; 0 to 2**32 - 1.
        epoch: from 0.
        indices: positions of the B images in their data set.
        view: which view of the images, from 0.

    Source:
        Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011): Philox4x32-10. The
        four integers are its key and counter, so a stream costs nothing to set up.

    Example:
        >>> draws = Draws(0, 0, [3, 8], 0)
        >>> draws.uniform(1.0, 2.0)
        array([1.94007938, 1.22904338])
        >>> Draws(0, 0, [8], 0).uniform(1.0, 2.0)
        array([1.22904338])
        >>> draws.chance(0.5)
        array([ True, False])
    """

    def __init__(self, seed: int, epoch: int, indices: Sequence[int], view: int) -> None:
        self._key = (seed, 0)
        self._indices = np.asarray(indices, dtype=np.uint64)
        self._view, self._epoch = view, epoch
        self._numbers = np.empty((0, len(self._indices)))  # (drawn in advance, B)
        self._next = 0

    def __len__(self) -> int:
        return len(self._indices)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """One number per view between `low` and `high`, ``(B,)`` float64."""
        if self._next == len(self._numbers):
            self._numbers = np.concatenate([self._numbers, self._more()])
        self._next += 1
        drawn: np.ndarray = low + (high - low) * self._numbers[self._next - 1]
        return drawn

    def chance(self, p: float) -> np.ndarray:
        """Whether something of chance `p` happens to each view, ``(B,)`` bool."""
        happens: np.ndarray = self.uniform() < p
        return happens

    def _more(self) -> np.ndarray:
        first = self._next // 4
        blocks = np.arange(first, first + _BLOCKS, dtype=np.uint64)[:, None]
        view, epoch = np.uint64(self._view), np.uint64(self._epoch)
        counter = np.broadcast_arrays(blocks, view, self._indices[None], epoch)
        words = philox(counter, self._key)  # 4 of (16, B)
        numbers = np.stack(words, 1).reshape(4 * _BLOCKS, len(self))
        return (numbers + 0.5) / 2**32


def philox(counter: Sequence[np.ndarray], key: tuple[int, int]) -> list[np.ndarray]:
    """Philox4x32-10: four random 32-bit words for each counter.

    Args:
        counter: four uint64 arrays of one shape, with values below 2**32.
        key: two integers below 2**32.

    Returns:
        Four uint64 arrays of that shape, with values below 2**32.
    """
    a, b, c, d = counter
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    first, second = key
    for _ in range(_ROUNDS):
        left, right = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a = (right >> half) ^ b ^ np.uint64(first)
        c = (left >> half) ^ d ^ np.uint64(second)
        b, d = right & low, left & low
        first, second = (first + 0x9E3779B9) % 2**32, (second + 0xBB67AE85) % 2**32
    return [a, b, c, d]
