"""What a training batch must look like."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from torch import Tensor

from instdisc.distributed import world_size

from .objectives import Objective


def check_views(batch: Any, objectives: Collection[Objective], previous: int | None) -> int:
    """Refuses a batch that the objectives cannot be computed from; looks at shapes alone.

    Args:
        batch: what the loader gave.
        objectives: the terms of the loss.
        previous: images in the batch before, ``None`` at the first.

    Returns:
        Images in this batch.

    Raises:
        TypeError: if it is not ``(sequence of views, labels, ...)``.
        ValueError: if there are too few views, or, on several processes, the batch is smaller
            than the one before: some process would wait for ever.
    """
    if not isinstance(batch, Sequence) or len(batch) < 2 or isinstance(batch[0], Tensor):
        raise TypeError(
            f"a batch must be (sequence of views, labels, ...), got {_describe(batch)}. "
            "instdisc.data.ViewData makes such batches."
        )
    images, labels = batch[0], batch[1]
    for objective in objectives:
        needed = max(objective.num_queries, 2 if objective.needs_key else 1)
        if len(images) < needed:
            raise ValueError(
                f"{type(objective).__name__} needs {needed} views of each image, "
                f"got {len(images)}. Set `num_views` of the data."
            )
    if world_size() > 1 and previous not in (None, len(labels)):
        raise ValueError(
            f"a batch of {len(labels)} images follows batches of {previous}: several processes "
            "need equal batches. Drop the last, smaller one (drop_last=True)."
        )
    return len(labels)


def global_batch(trainer: Any) -> int:
    """Images of an optimiser step, of all processes together.

    Raises:
        ValueError: if the training loader does not say the size of its batches.
    """
    size: int | None = getattr(trainer.train_dataloader, "batch_size", None)
    if size is None:
        raise ValueError(
            "`reference_batch` scales the learning rate by the batch size, but the training "
            "loader has no `batch_size`. Scale `learning_rate` yourself and leave it out."
        )
    total: int = size * world_size() * trainer.accumulate_grad_batches
    return total


def _describe(batch: Any) -> str:
    if isinstance(batch, Sequence) and len(batch) and isinstance(batch[0], Tensor):
        return f"one tensor {tuple(batch[0].shape)} where the views should be"
    return type(batch).__name__
