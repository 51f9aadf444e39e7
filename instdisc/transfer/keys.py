"""The key of a run: a hash of all that its result depends on, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def job_key(parts: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that are the same for the same parts, in whatever order.

    Args:
        parts: JSON values: hashes of weights and data, settings, the seed, and a number that rises
            when the task's arithmetic changes.

    Raises:
        TypeError, ValueError: if a part is no JSON value, or not finite.

    Example:
        >>> job_key({"seed": 0, "task": "knn"}) == job_key({"task": "knn", "seed": 0})
        True
        >>> len(job_key({}))
        16
    """
    text = json.dumps(parts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
