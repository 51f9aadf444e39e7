"""How a batch lies in a block of bytes.

Legend: B batch, V views, S side of a view, n numbers of a policy.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..views.dataset import RawViews, UncutViews, ViewDataset, ViewPolicy

_ALIGNED = 256  # bytes; a type is read from a multiple of its size, and a GPU copies so best


class Field(NamedTuple):
    """One tensor of a batch.

    Attributes:
        shape: of one image's row.
        dtype: of its values.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class BlockForm(ABC):
    """How a batch is made in a block of bytes, lies there, and comes to a device.

    Args:
        fields: one for each tensor.
        batch_size: B.

    Attributes:
        num_bytes: of a block.
    """

    def __init__(self, fields: Sequence[Field], batch_size: int) -> None:
        self.batch_size = batch_size
        self._fields = list(fields)
        self.starts = [0]
        for field in self._fields:
            end = self.starts[-1] + batch_size * field.row_bytes
            self.starts.append(-(-end // _ALIGNED) * _ALIGNED)
        self.num_bytes = self.starts[-1]

    @abstractmethod
    def make(self, block: Tensor, row: int, keys: Sequence[tuple[int, int]]) -> None:
        """Makes some images, ``(epoch, index)`` each, in a block, from a row on; in a worker."""

    @abstractmethod
    def bring(self, block: Tensor, count: int, device: torch.device) -> RawViews | UncutViews:
        """The first images of a block on a device."""

    def open(self, block: Tensor, first: int = 0) -> list[Tensor]:
        """The tensors of a block ``(num_bytes,)`` uint8, in its memory.

        Args:
            block: where they lie.
            first: number of the tensor that the block begins with.
        """
        tensors = []
        for start, field in zip(self.starts[first:], self._fields[first:], strict=False):
            start -= self.starts[first]
            rows = block[start : start + self.batch_size * field.row_bytes]
            tensors.append(rows.view(field.dtype).view(self.batch_size, *field.shape))
        return tensors


class BatchForm(BlockForm):
    """How a batch that a `ViewDataset` makes lies in a block of bytes.

    Args:
        dataset: makes the batches.
        batch_size: B.

    Example:
        >>> from instdisc.data import Scenes, view_policy
        >>> dataset = ViewDataset(Scenes(8, image_size=32), [view_policy("zhao_fr", 32)])
        >>> form = BatchForm(dataset, 4)
        >>> block = torch.empty(form.num_bytes, dtype=torch.uint8)
        >>> form.make(block, 2, [(0, 5), (0, 6)])
        >>> form.read(block, 4).indices[2:]
        tensor([5, 6])
    """

    def __init__(self, dataset: ViewDataset, batch_size: int) -> None:
        self._dataset, self._cut = dataset, dataset.cut
        views = []
        for policy in dataset.policies:
            # A view lies pixel by pixel, as images are decoded and cut.
            cut, uncut = Field((*policy.frame.sides, 3), torch.uint8), Field((6,), torch.float32)
            views.append(cut if self._cut else uncut)
        super().__init__([*views, *number_fields(dataset.policies)], batch_size)

    def make(self, block: Tensor, row: int, keys: Sequence[tuple[int, int]]) -> None:
        views, numbers, labels, indices = self._dataset.batch(keys)
        if self._cut:
            views = [view.permute(0, 2, 3, 1) for view in views]
        parts = (*views, *numbers, labels, indices)
        for rows, part in zip(self.open(block), parts, strict=True):
            rows[row : row + len(part)].copy_(part)

    def bring(self, block: Tensor, count: int, device: torch.device) -> RawViews | UncutViews:
        # By one copy; on the CPU itself, in place.
        batch = self.read(block.to(device, non_blocking=device.type == "cuda"), count)
        # Whoever keeps these must not keep the block, nor find another batch's in them.
        return batch._replace(labels=batch.labels.clone(), indices=batch.indices.clone())

    def read(self, block: Tensor, count: int) -> RawViews | UncutViews:
        """The first images of a block ``(num_bytes,)`` uint8, as tensors in its memory."""
        tensors = [rows[:count] for rows in self.open(block)]
        num_views = (len(tensors) - 2) // 2
        numbers, (labels, indices) = tensors[num_views:-2], tensors[-2:]
        if not self._cut:
            return UncutViews(tensors[:num_views], numbers, labels, indices)
        views = [view.permute(0, 3, 1, 2) for view in tensors[:num_views]]
        return RawViews(views, numbers, labels, indices)


def number_fields(policies: Sequence[ViewPolicy]) -> list[Field]:
    """Of the numbers of each view, the labels and the indices."""
    counts = [sum(step.num_numbers for step in policy.photometric) for policy in policies]
    numbers = [Field((count,), torch.float32) for count in counts]
    return [*numbers, Field((), torch.int64), Field((), torch.int64)]
