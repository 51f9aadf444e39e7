"""How devices share the images of a step."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Trainer


def share_batch(
    images: int, devices: int, *, batch_size: int | None = None, parts: int = 1
) -> tuple[int, int]:
    """How the images of a step are shared, exactly.

    Args:
        images: of a step, of all devices together.
        devices: that share them.
        batch_size: images that a device is to hold at once; ``None`` for all of its share.
        parts: into which the step is divided, one computed after another; 1 for as few as
            `batch_size` allows.

    Returns:
        Images that a device holds at once, and the number of parts.

    Raises:
        ValueError: if the shares would not be equal, or `parts` and `batch_size` do not agree.

    Example:
        >>> share_batch(256, 8), share_batch(256, 1, batch_size=64)
        ((32, 1), (64, 4))
    """
    for name, value in (("global_batch", images), ("data.batch_size", batch_size)):
        if value is not None and value < 1:
            raise ValueError(f"`{name}` must be positive, got {value}")
    if batch_size is None:
        if images % (devices * parts):
            raise ValueError(
                f"`global_batch`={images} cannot be shared equally by {devices} device(s) x "
                f"{parts} part(s). Take a number of --trainer.devices that divides it, or another "
                "--global_batch, which is then not the published one."
            )
        return images // (devices * parts), parts
    if images % (devices * batch_size):
        raise ValueError(
            f"`global_batch`={images} is no multiple of {devices} device(s) x "
            f"`data.batch_size`={batch_size}. Take a `data.batch_size` that divides the share of a "
            "device, or another --global_batch, which is then not the published one."
        )
    needed = images // (devices * batch_size)
    if parts not in (1, needed):
        raise ValueError(
            f"`trainer.accumulate_grad_batches`={parts} does not agree with `global_batch`="
            f"{images} and `data.batch_size`={batch_size} on {devices} device(s), which need "
            f"{needed}. Give one of the two."
        )
    return batch_size, needed


def steps_per_epoch(trainer: Trainer, data: Any) -> int:
    """Optimiser steps of an epoch, as far as they can be computed before a loader is made.

    Args:
        trainer: with its devices, accumulation and ``limit_train_batches``.
        data: has ``iterations``, or the images to train on as ``images`` or ``train``.

    Returns:
        0 if the data module is of another kind.
    """
    if hasattr(data, "iterations"):
        batches = int(data.iterations)
    else:
        images = getattr(data, "images", getattr(data, "train", ()))
        batches = len(images) // (data.batch_size * trainer.world_size)
    limit = trainer.limit_train_batches
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    return batches // trainer.accumulate_grad_batches
