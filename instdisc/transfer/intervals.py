"""Numbers of a test set with their confidence intervals, as records.

Legend: N images, r resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.metrics import bootstrap_interval, wilson_interval
from instdisc.records import Run
from instdisc.types import Record

RESAMPLES = 1000


def share_record(task: str, metric: str, hits: Tensor, run: Run) -> Record:
    """The share of images that are right, in percent, with Wilson's 95 % interval.

    Wilson's interval is right where the usual one is not: of 20 images that are all right it is
    83.9 to 100.

    Args:
        task: name of the task.
        metric: what the share is called.
        hits: ``(N,)`` bool, independent of each other.
        run: what the records of the run have in common.

    Example:
        >>> import torch
        >>> from instdisc.types import About
        >>> record = share_record("knn", "top-1", torch.ones(20, dtype=torch.bool), Run(About()))
        >>> record.value, round(record.low, 1), record.high
        (100.0, 83.9, 100.0)
    """
    count, right = len(hits), int(hits.sum())
    low, high = wilson_interval(right, count)
    return run.record(
        task,
        metric,
        100 * right / count,
        ends=(100 * low, 100 * high),
        interval=f"Wilson, {count} images",
        n=count,
    )


@checked_call()
def bootstrap_records(
    task: str,
    statistics: Mapping[str, Callable[..., Tensor]],
    columns: Sequence[Tensor],
    run: Run,
    *,
    lower: Collection[str] = (),
    unit: str = "%",
) -> list[Record]:
    """Numbers of a test set, each with a bootstrap interval over its images.

    Args:
        task: name of the task.
        statistics: for each metric a function from ``(r, N)`` columns to ``(r,)`` numbers: shares
            where the unit is percent.
        columns: what is known of each image, each ``(N,)``, in one order.
        run: what the records of the run have in common; its seed resamples.
        lower: metrics of which less is better.
        unit: of the records; percent are 100 times what `statistics` give, others as they are.

    Returns:
        A record for each metric, with the 95 % percentile interval of 1,000 resamples; none for a
        single image.

    Example:
        >>> import torch
        >>> from instdisc.types import About
        >>> hits = torch.tensor([True, True, True, False])
        >>> record, = bootstrap_records("toy", {"top-1": lambda h: h.float().mean(1)}, [hits],
        ...     Run(About()))
        >>> record.value, record.n, record.interval
        (75.0, 4, 'bootstrap over 4 images, 1000 resamples')
    """
    for metric, statistic in statistics.items():
        if not callable(statistic):
            checks.refuse(f"statistics[{metric!r}]", "a function", statistic, kind=TypeError)
    for column in checks.filled("columns", columns):
        checks.same_length("columns", column, "columns[0]", columns[0])
    if not columns[0].ndim or not len(columns[0]):
        checks.refuse("columns", "of at least one image", columns[0])
    count, scale = len(columns[0]), 100 if unit == "%" else 1

    def ends(statistic: Callable[..., Tensor]) -> tuple[float, float] | None:
        if count < 2:
            return None
        low, high = bootstrap_interval(statistic, columns, num_resamples=RESAMPLES, seed=run.seed)
        return scale * low, scale * high

    return [
        run.record(
            task,
            metric,
            scale * float(statistic(*(column[None] for column in columns))),
            ends=ends(statistic),
            interval=f"bootstrap over {count} images, {RESAMPLES} resamples",
            n=count,
            unit=unit,
            higher_is_better=metric not in lower,
        )
        for metric, statistic in statistics.items()
    ]
