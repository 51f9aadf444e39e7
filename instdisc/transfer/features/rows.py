"""Results of a device, gathered on the CPU while it works.

Legend: B batch, N rows.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Rows:
    """Rows that come batch by batch, on the CPU in the end.

    From a GPU they are copied beside its work; nothing waits for the batch that has just been
    asked for.

    Example:
        >>> rows = Rows()
        >>> rows.add(torch.zeros(2, 3))
        >>> rows.add(torch.ones(1, 3))
        >>> rows.join().shape
        torch.Size([3, 3])
    """

    def __init__(self) -> None:
        self._parts: list[Tensor] = []
        self._coming: tuple[Tensor, torch.cuda.Event] | None = None

    def add(self, rows: Tensor) -> None:
        """Takes ``(B, ...)`` of a batch, on any device."""
        if not _on_gpu(rows):
            self._parts.append(rows.cpu())
            return
        pinned = _pinned(rows).copy_(rows, non_blocking=True)
        arrived = torch.cuda.current_stream(rows.device).record_event()
        self._keep()
        self._coming = pinned, arrived

    def join(self) -> Tensor:
        """All rows, ``(N, ...)`` on the CPU."""
        self._keep()
        return torch.cat(self._parts)

    def _keep(self) -> None:
        if self._coming is not None:
            pinned, arrived = self._coming
            arrived.synchronize()
            self._parts.append(pinned.clone())  # pinned memory is scarce: it serves again
            self._coming = None


def _on_gpu(rows: Tensor) -> bool:
    """Whether it lies on a GPU, which copies while the host goes on."""
    return rows.device.type == "cuda"


def _pinned(rows: Tensor) -> Tensor:
    return torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
