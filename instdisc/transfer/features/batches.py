"""Batches of finished views where the network is, while it works on the batch before.

Legend: B batch, N rows, D width.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from instdisc.checks import whole
from instdisc.data import ViewDataset, ViewFinisher, ViewLoader
from instdisc.data.views.dataset import RawViews
from instdisc.types import Views


def view_batches(
    views: ViewDataset,
    batch_size: int,
    *,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Iterator[Views]:
    """Every image once, in order; see `finished_batches`.

    Args:
        views: of which images, how they are shown.
        batch_size: B; the last batch may be smaller.
        num_workers: processes that read.
        device: where the views are wanted.
        dtype: of the views.

    Raises:
        ValueError: if `batch_size` is not positive.

    Example:
        >>> from instdisc.data import Scenes, evaluation_policy
        >>> views = ViewDataset(Scenes(5, image_size=32), [evaluation_policy(32)])
        >>> [tuple(batch.images[0].shape) for batch in view_batches(views, 4)]
        [(4, 3, 32, 32), (1, 3, 32, 32)]
    """
    whole("batch_size", batch_size)
    loader = ViewLoader(
        views,
        batch_size,
        shuffle=False,
        drop_last=False,
        num_workers=num_workers,
        pin_memory=torch.device(device).type == "cuda",
        raw=True,
    )
    return finished_batches(loader, device, dtype=dtype)


def finished_batches(
    loader: ViewLoader, device: str | torch.device, *, dtype: torch.dtype = torch.float32
) -> Iterator[Views]:
    """The batches of a loader, finished on a device.

    On a GPU a batch is copied and its colours are computed on a stream beside the network's, so
    that both happen while the network works on the batch before. At most two batches lie there.
    Labels and positions stay on the CPU.

    Args:
        loader: gives raw views, from pinned memory for a GPU.
        device: where the views are wanted.
        dtype: of the views.
    """
    device = torch.device(device)
    finish = ViewFinisher(loader.dataset.policies, dtype=dtype)
    if device.type == "cuda":
        yield from _beside(loader, finish, device)
        return
    for raw in loader:
        images, labels, indices = finish(raw)
        yield Views([view.to(device) for view in images], labels, indices)


def _beside(loader: ViewLoader, finish: ViewFinisher, device: torch.device) -> Iterator[Views]:
    aside = torch.cuda.Stream(device)
    before: torch.cuda.Event | None = None
    for raw in loader:
        with torch.cuda.stream(aside):
            images = finish(_on(raw, device)).images
        current = torch.cuda.current_stream(device)
        current.wait_stream(aside)
        for view in images:
            view.record_stream(current)
        yield Views(images, raw.labels, raw.indices)
        # The work on this batch is queued by now: waiting for the batch before keeps the host from
        # filling the memory, and the device busy.
        done = torch.cuda.current_stream(device).record_event()
        if before is not None:
            before.synchronize()
        before = done


def _on(raw: RawViews, device: torch.device) -> RawViews:
    views, numbers = (
        [tensor.to(device, non_blocking=True) for tensor in tensors]
        for tensors in (raw.views, raw.numbers)
    )
    return raw._replace(views=views, numbers=numbers)


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
        if rows.device.type != "cuda":
            self._parts.append(rows.cpu())
            return
        pinned = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
        pinned.copy_(rows, non_blocking=True)
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
