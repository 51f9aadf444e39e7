"""Confidence intervals over a test set by resampling it.

Legend: N images, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call

from .intervals import Interval, check_level

_VALUES = 2**22  # resampled values at once


@checked_call()
def bootstrap_interval(
    statistic: Callable[..., Tensor],
    columns: Sequence[Tensor],
    *,
    level: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a number that is computed from the images of a test set.

    The set is drawn anew R times, N images with replacement; the interval cuts off equal shares
    of the R numbers on both sides. It says how much another test set of this size would change
    the number, and nothing about another training.

    Args:
        statistic: from resampled columns ``(r, N)`` to numbers ``(r,)``, like those of this
            package.
        columns: what is known of each image, each ``(N,)``, in one order.
        level: share of the numbers inside.
        num_resamples: R.
        seed: of the resampling.

    Raises:
        TypeError: if a column is no tensor, or a number of another kind.
        ValueError: if there is no image, the columns differ in length or are not finite, `level`
            lies outside (0, 1), `num_resamples` is not positive, or `statistic` has no finite
            value for a resample.

    Source:
        Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979); the percentile interval.

    Example:
        >>> from instdisc.metrics import accuracy
        >>> labels = torch.zeros(100, dtype=torch.int64)
        >>> predictions = torch.arange(100) % 2
        >>> bootstrap_interval(accuracy, [predictions, labels])
        Interval(low=0.4, high=0.6)
    """
    count = _check_columns("columns", columns)
    check_level(level)
    columns = [column.cpu() for column in columns]
    numbers: list[Tensor] = []
    for rows in draw_images(count, num_resamples, seed, at_once=_VALUES // count):
        numbers.append(statistic(*(column[rows] for column in columns)).double())
        checks.shape("statistic", numbers[-1], (len(rows),), remedy="One number per resample.")
    values = checks.all_finite("statistic", torch.cat(numbers), row="resample")
    return percentiles(values, level)


@checked_call()
def bootstrap_difference(
    statistic: Callable[..., Tensor],
    columns_a: Sequence[Tensor],
    columns_b: Sequence[Tensor],
    *,
    level: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of the difference of two models on the same test set.

    Both are looked at on the same resampled images: what makes an image hard for both cancels,
    so the interval is narrower than those of two separate results would suggest.

    Args:
        statistic: see `bootstrap_interval`.
        columns_a: what is known of each image by the first model, each ``(N,)``.
        columns_b: by the second; the same images in the same order.
        level: see `bootstrap_interval`.
        num_resamples: R.
        seed: of the resampling.

    Returns:
        Of the first minus the second. If it does not hold 0, they differ.

    Raises:
        TypeError, ValueError: see `bootstrap_interval`; if the models' columns differ in number
            or length.

    Example:
        >>> from instdisc.metrics import accuracy
        >>> labels = torch.zeros(100, dtype=torch.int64)
        >>> all_right, half_right = labels, torch.arange(100) % 2
        >>> bootstrap_difference(accuracy, [all_right, labels], [half_right, labels])
        Interval(low=0.4, high=0.6)
    """
    counts = [_check_columns("columns_a", columns_a), _check_columns("columns_b", columns_b)]
    width = len(columns_a)
    if len(columns_b) != width or counts[0] != counts[1]:
        checks.refuse(
            "columns_b",
            f"{width} columns of {counts[0]} images, as `columns_a`",
            f"{len(columns_b)} of {counts[1]}",
        )
    return bootstrap_interval(
        lambda *columns: statistic(*columns[:width]) - statistic(*columns[width:]),
        [*columns_a, *columns_b],
        level=level,
        num_resamples=num_resamples,
        seed=seed,
    )


@checked_call(count=checks.whole, at_once=checks.whole)
def draw_images(count: int, num_resamples: int, seed: int, *, at_once: int) -> Iterator[Tensor]:
    """Resampled images ``(r, N)`` int64, some resamples at a time; the same however many.

    Args:
        count: N.
        num_resamples: R.
        seed: of the drawing.
        at_once: r, at least 1.

    Raises:
        TypeError, ValueError: if a number is of another kind or not positive.
    """
    generator = torch.Generator().manual_seed(seed)
    at_once = max(1, at_once)
    for start in range(0, num_resamples, at_once):
        size = (min(at_once, num_resamples - start), count)
        yield torch.randint(count, size, generator=generator)


@checked_call()
def percentiles(values: Tensor, level: float) -> Interval:
    """What cuts off equal shares of the values on both sides.

    Args:
        values: ``(R,)`` floating-point, finite.
        level: share of them inside.

    Raises:
        TypeError, ValueError: if there is no value, one is not finite, or `level` lies outside
            (0, 1).

    Example:
        >>> percentiles(torch.linspace(0, 1, 101, dtype=torch.float64), 0.5)
        Interval(low=0.25, high=0.75)
    """
    checks.dtype("values", checks.shape("values", values, ("R",)), checks.FLOATS)
    if not len(values):
        checks.refuse("values", "of at least one", values)
    checks.all_finite("values", values)
    tail = (1 - level) / 2
    low, high = values.quantile(torch.tensor([tail, 1 - tail], dtype=values.dtype))
    return Interval(float(low), float(high))


def _check_columns(name: str, columns: Sequence[Tensor]) -> int:
    """How many images there are."""
    for column in columns:
        checks.instance(name, column, Tensor, "tensors (N,)")
        if not column.ndim:
            checks.refuse(name, "tensors (N,)", column)
        if column.is_floating_point():
            checks.all_finite(name, column, row="image")
    lengths = [len(column) for column in columns]
    if not lengths or len(set(lengths)) > 1 or not lengths[0]:
        checks.refuse(name, "of one length of at least 1", lengths)
    return lengths[0]
