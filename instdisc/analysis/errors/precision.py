"""Average precision of one class at one threshold.

Legend: D detections of a class, K right ones, L levels of recall.
"""

from __future__ import annotations

import numpy as np


def class_precision(
    right: np.ndarray,
    num_objects: int,
    *,
    levels: np.ndarray | None = None,
    expected: float | None = None,
) -> float:
    """Area under the precision over the recall, or its mean over some levels of recall.

    With k right ones of the first n, precision is k / n; normalised it is what it would be if the
    class had N objects, (k N / M) / (k N / M + n - k). Of a recall it is the largest one at this
    recall or more, and 0 beyond the last.

    Args:
        right: ``(D,)`` bool, the best detections first.
        num_objects: M, above 0.
        levels: ``(L,)`` float64 of recall, rising; ``None``: the area.
        expected: N; ``None``: not normalised.

    Returns:
        A share in [0, 1].

    Source:
        Hoiem et al., "Diagnosing Error in Object Detectors" (2012), section 2.3, for the
        normalised precision.

    Example:
        >>> class_precision(np.array([True, True, False]), 4)
        0.5
        >>> class_precision(np.array([False, True]), 4, expected=4.0)
        0.125
    """
    rows = np.flatnonzero(right)
    if not len(rows):
        return 0.0
    hits = np.arange(1, len(rows) + 1)  # (K,)
    weight = 1.0 if expected is None else expected / num_objects
    precision = hits * weight / (hits * weight + (rows + 1 - hits))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    if levels is None:
        return float(precision.sum() / num_objects)
    places = np.searchsorted(hits / num_objects, levels)
    return float(precision[places[places < len(hits)]].sum() / len(levels))
