"""Whether a set in VOC's layout counts pixels from 1, as VOC does, or from 0, as many tools do.

Legend: M objects.
"""

from __future__ import annotations

import numpy as np


def counts_from_zero(corners: np.ndarray, sizes: np.ndarray) -> bool:
    """Judges all objects of a set together.

    VOC's first pixel is 1, and its last one is the width. A set counts from 0 if it has corners
    xmin or ymin at 0 (from 0 to below 1), and

    - either no other object ends at the width or height of its image or beyond,
    - or several objects begin at 0: more than begin at exactly 1, and at least half as many as
      end at the width or height. (A tool that writes borders instead of pixels ends there too.)

    Otherwise a corner at 0 is a stray one in a set that counts from 1.

    Args:
        corners: ``(M, 4)`` xmin, ymin, xmax, ymax as in the files.
        sizes: ``(M, 2)`` width and height of their images; infinite where unknown.

    Example:
        >>> inside, whole = [5, 5, 40, 40], [1, 1, 80, 64]
        >>> sizes = np.full((3, 2), [80, 64])
        >>> counts_from_zero(np.array([inside, inside, [0, 5, 40, 40]]), sizes)
        True
        >>> counts_from_zero(np.array([inside, whole, [0, 5, 40, 40]]), sizes)
        False
    """
    low = corners[:, :2]
    at_zero = ((low >= 0) & (low < 1)).any(1)
    at_one = (low == 1).any(1)
    at_end = (corners[:, 2:] >= sizes).any(1)
    if not at_zero.any():
        return False
    if not (at_end & ~at_zero).any():
        return True
    num_zero = int(at_zero.sum())
    return num_zero > 1 and num_zero > at_one.sum() and 2 * num_zero >= at_end.sum()
