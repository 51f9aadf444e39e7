"""Batches in memory that the workers and the main process share.

Legend: B batch, V views, S side of a view, n numbers of a policy.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
import weakref
from multiprocessing.reduction import DupFd
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .views.dataset import RawViews, UncutViews, ViewDataset

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


class BatchForm:
    """How a batch that a `ViewDataset` makes lies in a block of bytes.

    Args:
        dataset: makes the batches.
        batch_size: B.

    Attributes:
        num_bytes: of a batch.

    Example:
        >>> from instdisc.data import Scenes, view_policy
        >>> dataset = ViewDataset(Scenes(8, image_size=32), [view_policy("zhao_fr", 32)])
        >>> form = BatchForm(dataset, 4)
        >>> block = torch.empty(form.num_bytes, dtype=torch.uint8)
        >>> form.write(block, 2, dataset.batch([(0, 5), (0, 6)]))
        >>> form.read(block, 4).indices[2:]
        tensor([5, 6])
    """

    def __init__(self, dataset: ViewDataset, batch_size: int) -> None:
        self.batch_size = batch_size
        self._cut = dataset.cut
        fields = []
        for policy in dataset.policies:
            size = policy.frame.size
            # A view lies pixel by pixel, as images are decoded and cut.
            fields.append(Field((size, size, 3) if self._cut else (6,), _VIEW[self._cut]))
        for policy in dataset.policies:
            count = sum(step.num_numbers for step in policy.photometric)
            fields.append(Field((count,), torch.float32))
        self._fields = [*fields, Field((), torch.int64), Field((), torch.int64)]
        self._starts = [0]
        for field in self._fields:
            end = self._starts[-1] + batch_size * field.row_bytes
            self._starts.append(-(-end // _ALIGNED) * _ALIGNED)
        self.num_bytes = self._starts[-1]

    def read(self, block: Tensor, count: int) -> RawViews | UncutViews:
        """The first images of a block ``(num_bytes,)`` uint8, as tensors in its memory."""
        tensors = [rows[:count] for rows in self._open(block)]
        num_views = (len(tensors) - 2) // 2
        numbers, (labels, indices) = tensors[num_views:-2], tensors[-2:]
        if not self._cut:
            return UncutViews(tensors[:num_views], numbers, labels, indices)
        views = [view.permute(0, 3, 1, 2) for view in tensors[:num_views]]
        return RawViews(views, numbers, labels, indices)

    def write(self, block: Tensor, row: int, batch: RawViews | UncutViews) -> None:
        """Puts some images into a block, from a row on."""
        views, numbers, labels, indices = batch
        if self._cut:
            views = [view.permute(0, 2, 3, 1) for view in views]
        parts = (*views, *numbers, labels, indices)
        for rows, part in zip(self._open(block), parts, strict=True):
            rows[row : row + len(part)].copy_(part)

    def _open(self, block: Tensor) -> list[Tensor]:
        return [
            block[start : start + self.batch_size * field.row_bytes]
            .view(field.dtype)
            .view(self.batch_size, *field.shape)
            for start, field in zip(self._starts, self._fields, strict=False)
        ]


_VIEW = {True: torch.uint8, False: torch.float32}


class SharedSlots:
    """Room for some batches, in memory that several processes see.

    It can be handed to a new process however that is started. On Linux it does not lie in
    ``/dev/shm``, which containers keep small.

    Args:
        count: of slots.
        num_bytes: of a slot.

    Example:
        >>> slots = SharedSlots(2, 1000)
        >>> slots[1].shape
        torch.Size([1000])
    """

    def __init__(self, count: int, num_bytes: int) -> None:
        self.count, self.num_bytes = count, num_bytes
        if sys.platform == "linux":
            file = os.memfd_create("instdisc")
            os.ftruncate(file, max(1, count * num_bytes))
            self._open(file)
        else:
            self._memory = torch.empty(count * num_bytes, dtype=torch.uint8).share_memory_()
        self._page_locked = False

    def __getitem__(self, slot: int) -> Tensor:
        return self._memory[slot * self.num_bytes : (slot + 1) * self.num_bytes]

    def page_lock(self) -> None:
        """Lets a GPU copy from the slots by itself, without this process waiting."""
        if self._page_locked:
            return
        self._page_locked = True
        start, runtime = self._memory.data_ptr(), torch.cuda.cudart()
        torch.cuda.check_error(int(runtime.cudaHostRegister(start, self._memory.numel(), 0)))
        # The tensor is kept until then: a page must not go while it is locked.
        weakref.finalize(self, _unlock, runtime, self._memory)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__ | {"_page_locked": False}
        if sys.platform == "linux":
            state |= {"_file": DupFd(self._file), "_memory": None}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if sys.platform == "linux":
            self._open(state["_file"].detach())

    def _open(self, file: int) -> None:
        self._file = file
        weakref.finalize(self, os.close, file)
        self._memory = torch.frombuffer(mmap.mmap(file, 0), dtype=torch.uint8)


def _unlock(runtime: Any, memory: Tensor) -> None:
    runtime.cudaHostUnregister(memory.data_ptr())
