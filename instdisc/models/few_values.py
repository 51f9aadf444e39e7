"""A batch that is too small for batch norm, in the words of the library."""

from __future__ import annotations

from instdisc.checks import refuse

_TORCH = "Expected more than 1 value per channel"


def refuse_few_values(error: ValueError, count: int) -> None:
    """Says what torch's batch norm means, if it is that; for an ``except`` around a training pass.

    Whether a batch is too small shows in the pass alone: one large image is enough where the last
    map has several pixels.

    Args:
        error: of the pass.
        count: images of the batch.

    Raises:
        ValueError: if batch norm met one value per channel; names `batch_size`.

    Example:
        >>> from torch import nn, zeros
        >>> try:
        ...     nn.BatchNorm1d(2)(zeros(1, 2))
        ... except ValueError as error:
        ...     refuse_few_values(error, 1)
        Traceback (most recent call last):
        ValueError: `batch_size` must be at least 2, since batch norm needs more than 1 value per
        channel, got 1. Make it larger, and leave out a last batch of one image (drop_last=True)
    """
    if _TORCH in str(error):
        refuse(
            "batch_size",
            "at least 2, since batch norm needs more than 1 value per channel",
            count,
            "Make it larger, and leave out a last batch of one image (drop_last=True)",
        )
