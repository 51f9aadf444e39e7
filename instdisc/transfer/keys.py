"""The key of a run: one hash of all that its result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from instdisc.checks import checked_call


@checked_call()
def job_key(parts: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that change with any part.

    Args:
        parts: JSON values, e.g. the task, its version and options, hashes of weights and data.

    Raises:
        TypeError, ValueError: if a value is none of JSON's, which knows no NaN.

    Example:
        >>> job_key({"task": "knn", "k": 20}) == job_key({"k": 20, "task": "knn"})
        True
    """
    text = json.dumps(parts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
