"""An accuracy with its confidence interval as a record."""

from __future__ import annotations

import math
from typing import Any

from instdisc.types import Record

_Z95 = 1.959964


def accuracy_record(
    task: str,
    accuracy: float,
    count: int,
    *,
    dataset: str,
    method: str,
    checkpoint: str,
    seed: int,
    seconds: float,
    settings: dict[str, Any],
) -> Record:
    """Top-1 in percent with the normal 95 % interval of `count` independent trials.

    Args:
        task: name of the task.
        accuracy: in [0, 1].
        count: how many images were classified.
        dataset: see `Record`, like the rest.
        method: see `Record`.
        checkpoint: see `Record`.
        seed: see `Record`.
        seconds: see `Record`.
        settings: see `Record`.

    Example:
        >>> accuracy_record("knn", 0.5, 100, dataset="toy", method="random", checkpoint="", seed=0,
        ...     seconds=0.0, settings={}).ci
        9.79982
    """
    half = _Z95 * math.sqrt(accuracy * (1 - accuracy) / count)
    return Record(
        task=task,
        dataset=dataset,
        metric="top-1",
        value=100 * accuracy,
        ci=100 * half,
        unit="%",
        method=method,
        checkpoint=checkpoint,
        seed=seed,
        seconds=seconds,
        settings=settings,
    )
