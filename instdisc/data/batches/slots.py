"""Memory that the workers and the main process share."""

from __future__ import annotations

import mmap
import os
import sys
import weakref
from multiprocessing.reduction import DupFd
from typing import Any

import torch
from torch import Tensor


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
