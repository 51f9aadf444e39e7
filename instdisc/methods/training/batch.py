"""What a batch must look like, of training and of validation.

Legend: B batch on this process, C channels, H x W image size.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from instdisc.checks import FLOATS, INTEGERS, dtype, refuse, shape
from instdisc.distributed import rank, world_size

from ..objectives import Objective

_NOT_NORMALISED = "Divide pixels by 255 and normalise them, as the views of ViewData are."
_NO_NUMBERS = "Give each class a number; -1 where it is unknown."


def check_views(
    batch: Any, objectives: Collection[Objective], previous: int | None, channels: int = 3
) -> int:
    """Refuses a batch that the objectives cannot be computed from; looks at shapes alone.

    Args:
        batch: what the loader gave.
        objectives: the terms of the loss.
        previous: images in the batch before, ``None`` at the first.
        channels: C of the backbone's images.

    Returns:
        Images in this batch.

    Raises:
        TypeError: if it is not ``(sequence of views, labels, ...)``, a view no float tensor, or
            the labels no tensor of whole numbers.
        ValueError: if there are too few views, views or labels have another shape or length, or,
            on several processes, the batch is smaller than the one before: some process would wait
            for ever.
    """
    if not _is_pair(batch) or isinstance(batch[0], str | bytes | Tensor):
        _refuse_form(batch)
    images, labels = batch[0], batch[1]
    for objective in objectives:
        needed = 1 + max((*objective.queries, *objective.keys), default=0)
        if len(images) < needed:
            raise ValueError(
                f"{type(objective).__name__} needs {needed} views of each image, "
                f"got {len(images)} in `images`. Set `num_views` of the data."
            )
    for number, view in enumerate(images):
        _check_images(f"images[{number}]", view, channels)
        if len(view) != len(images[0]):
            refuse(f"images[{number}]", f"of {len(images[0])} images like `images[0]`", view)
    _check_labels(labels, len(images[0]))
    if world_size() > 1 and previous not in (None, len(labels)):
        raise ValueError(
            f"a batch of {len(labels)} images follows batches of {previous}: several processes "
            "need equal batches. Drop the last, smaller one (drop_last=True)."
        )
    return len(labels)


def check_view_precision(views: Sequence[Tensor], precision: str) -> None:
    """Refuses views that the network's weights cannot be multiplied with.

    Args:
        views: of a batch that `check_views` let pass.
        precision: of the Trainer; those other than ``"32-true"`` convert what they are given.

    Raises:
        TypeError: if a view is not of float32 where the weights are.
    """
    if precision != "32-true":
        return
    for number, view in enumerate(views):
        if view.dtype is not torch.float32:
            remedy = "Or train with the Trainer's precision='bf16-mixed'."
            dtype(f"images[{number}]", view, torch.float32, remedy=remedy)


class TrainingBatches:
    """Checks the batches of a run by `check_views` and `check_view_precision`.

    A batch of the types, shapes and dtypes of the one before needs no look beyond these.

    Example:
        >>> from ..objectives import Classification
        >>> batches, views = TrainingBatches(), [torch.zeros(2, 3, 8, 8)]
        >>> batches.check((views, torch.arange(2)), [Classification(4, 2)], 3, "32-true")
        >>> batches.are_like((views, torch.arange(2))), batches.are_like((views, torch.arange(3)))
        (True, False)
    """

    def __init__(self) -> None:
        self._form: Any = None
        self._size: int | None = None

    def begin_run(self) -> None:
        """Forgets the batches before."""
        self._form, self._size = None, None

    def are_like(self, batch: Any) -> bool:
        """Whether the last batch that was checked had the form of `batch`."""
        return self._form is not None and _form(batch) == self._form

    def check(
        self, batch: Any, objectives: Collection[Objective], channels: int, precision: str
    ) -> None:
        """Refuses what the run cannot train on; arguments and errors as of the two functions."""
        self._size = check_views(batch, objectives, self._size, channels)
        check_view_precision(batch[0], precision)
        self._form = _form(batch)


class ValidationBatches:
    """Reads the batches of validation loaders: views, or (image, label) of any data set.

    They are `Views` or ``(images, labels, ...)``; the images are a tensor, or a sequence whose
    first is taken. Where no positions come along (a third tensor), the images are numbered in
    their order, which the processes share in turn as a `DistributedSampler` deals them.
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}  # images of this process, by the number of the loader

    def read(
        self, batch: Any, batch_idx: int, dataloader_idx: int, channels: int = 3
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Images ``(B, C, H, W)``, labels ``(B,)`` int64 and positions ``(B,)`` int64.

        Args:
            batch: what the loader gave.
            batch_idx: its number; at 0 the positions begin anew.
            dataloader_idx: the number of its loader.
            channels: C of the backbone's images.

        Raises:
            TypeError: if it is not ``(images, labels, ...)``, the images no floats or the labels
                no tensor of whole numbers.
            ValueError: if the images or labels have another shape or length.
        """
        if not _is_pair(batch):
            _refuse_form(batch, images="images")
        images = batch[0]
        if not isinstance(images, Tensor) and len(images):
            images = images[0]
        _check_images("images", images, channels)
        _check_labels(batch[1], len(images))
        start = self._seen.get(dataloader_idx, 0) if batch_idx else 0
        self._seen[dataloader_idx] = start + len(images)
        positions = batch[2] if len(batch) > 2 else None
        if not isinstance(positions, Tensor) or positions.dtype not in INTEGERS:
            numbers = torch.arange(start, start + len(images), device=images.device)
            positions = numbers * world_size() + rank()
        return images, batch[1].long(), positions


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


# Types and shapes alone, so that nothing waits for the device.


def _check_images(name: str, images: Any, channels: int) -> None:
    if not isinstance(images, Tensor) or images.dtype not in FLOATS:
        dtype(name, images, FLOATS, remedy=_NOT_NORMALISED)
    if images.ndim != 4 or images.shape[1] != channels:
        remedy = "Convert the images to RGB." if channels == 3 else ""
        shape(name, images, ("B", channels, "H", "W"), remedy=remedy)
    if 0 in images.shape:
        refuse(name, "at least one image", images)


def _check_labels(labels: Any, count: int) -> None:
    if not isinstance(labels, Tensor) or labels.dtype not in INTEGERS:
        dtype("labels", labels, INTEGERS, remedy=_NO_NUMBERS)
    if labels.shape != (count,):
        refuse("labels", f"({count},), a class for each image", labels)


def _form(batch: Any) -> Any:
    """Whatever the checks look at; ``None`` where that is not a batch."""
    try:
        images, labels = batch[0], batch[1]
        kinds = type(batch), type(images), type(labels)
        views = [(type(view), view.shape, view.dtype) for view in images]
        return kinds, views, labels.shape, labels.dtype
    except (AttributeError, IndexError, KeyError, TypeError):
        return None


def _is_pair(batch: Any) -> bool:
    return (
        isinstance(batch, Sequence)
        and not isinstance(batch, str | bytes)
        and len(batch) >= 2
        and isinstance(batch[0], Sequence | Tensor)
    )


def _refuse_form(batch: Any, images: str = "sequence of views") -> None:
    raise TypeError(
        f"a batch must be ({images}, labels, ...), got {_describe(batch)} for `images`. "
        "instdisc.data.ViewData makes such batches."
    )


def _describe(batch: Any) -> str:
    if isinstance(batch, Sequence) and len(batch) and isinstance(batch[0], Tensor):
        return f"one tensor {tuple(batch[0].shape)}"
    if isinstance(batch, Sequence) and len(batch) and not isinstance(batch, str):
        return f"({', '.join(type(part).__name__ for part in batch)})"
    return type(batch).__name__
