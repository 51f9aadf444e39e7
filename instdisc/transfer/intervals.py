"""Numbers of a test set with their confidence intervals, as records.

Legend: N images, r resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from instdisc.metrics import bootstrap_interval
from instdisc.types import Record

_Z95 = 1.959964
_RESAMPLES = 1000


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


def bootstrap_records(
    task: str,
    statistics: Mapping[str, Callable[..., Tensor]],
    columns: Sequence[Tensor],
    *,
    dataset: str,
    method: str,
    checkpoint: str,
    seed: int,
    seconds: float,
    settings: dict[str, Any],
) -> list[Record]:
    """Numbers of a test set in percent, each with a bootstrap interval over its images.

    Args:
        task: name of the task.
        statistics: for each metric a function from ``(r, N)`` columns to ``(r,)`` shares.
        columns: what is known of each image, each ``(N,)``, in one order.
        dataset: see `Record`, like the rest.
        method: see `Record`.
        checkpoint: see `Record`.
        seed: see `Record`; of the resampling, too.
        seconds: see `Record`.
        settings: see `Record`; how many images were tested and the interval are added.

    Returns:
        A record for each metric; the interval is half of the 95 % percentile interval of 1,000
        resamples, and ``None`` for a single image.

    Example:
        >>> import torch
        >>> hits = torch.tensor([True, True, True, False])
        >>> record, = bootstrap_records("toy", {"top-1": lambda h: h.float().mean(1)}, [hits],
        ...     dataset="toy", method="none", checkpoint="", seed=0, seconds=0.0, settings={})
        >>> record.value, record.settings["test"]
        (75.0, 4)
    """
    count = len(columns[0])
    settings = {**settings, "test": count}
    if count > 1:
        settings["interval"] = f"bootstrap, {_RESAMPLES} resamples"

    def half_width(statistic: Callable[..., Tensor]) -> float | None:
        if count < 2:
            return None
        interval = bootstrap_interval(statistic, columns, num_resamples=_RESAMPLES, seed=seed)
        return 100 * interval.half_width

    return [
        Record(
            task=task,
            dataset=dataset,
            metric=metric,
            value=100 * float(statistic(*(column[None] for column in columns))),
            ci=half_width(statistic),
            unit="%",
            method=method,
            checkpoint=checkpoint,
            seed=seed,
            seconds=seconds,
            settings=settings,
        )
        for metric, statistic in statistics.items()
    ]
