"""Batches on their way to a device, beside what the device is doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from instdisc.types import Views

from .pieces import SharedBatch

_T = TypeVar("_T")


class Delivery:
    """Brings raw batches to a device and finishes them there.

    On a CUDA device both happen on a stream of their own, one batch ahead, while the network works
    on the batch before; the host waits for neither. Elsewhere a batch is finished when it is asked
    for.

    Args:
        device: where the views are to be.
        finish: makes views of a raw batch on the device.

    Example:
        >>> from instdisc.data import Scenes, ViewDataset, ViewFinisher, view_policy
        >>> dataset = ViewDataset(Scenes(8, image_size=32), [view_policy("moco_v2", 32)])
        >>> deliver = Delivery(torch.device("cpu"), ViewFinisher(dataset.policies))
        >>> raw = [dataset.batch([(0, 5)]), dataset.batch([(0, 2)])]
        >>> [int(views.indices) for views in deliver(iter(raw))]
        [5, 2]
    """

    def __init__(self, device: torch.device, finish: Callable[[Any], Views]) -> None:
        self.device = device
        self._finish = finish
        self._stream: torch.cuda.Stream | None = None

    def __call__(self, batches: Iterator[Any]) -> Iterator[Views]:
        """The views of raw batches, or of each `SharedBatch`."""
        if self._stream is None and self.device.type == "cuda":
            self._stream = torch.cuda.Stream(self.device)
        sent = map(self._send, batches)
        return map(_arrive, prefetch(sent) if _works_beside(self.device) else sent)

    def _send(self, batch: Any) -> _Sent:
        with nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            if isinstance(batch, SharedBatch):
                raw = batch.bring(self.device)
                batch.copied = self._event()
                views = batch.leave(self._finish(raw))
            else:
                views = self._finish(_to(batch, self.device))
            return _Sent(views, self._event())

    def _event(self) -> torch.cuda.Event | None:
        return None if self._stream is None else self._stream.record_event()


class _Sent(NamedTuple):
    views: Views
    finished: torch.cuda.Event | None


def _works_beside(device: torch.device) -> bool:
    """Whether the device finishes a batch while the host goes on."""
    return device.type == "cuda"


def prefetch(batches: Iterator[_T]) -> Iterator[_T]:
    """The same batches, each asked for before the one before it is handed out.

    Whatever is raised in place of a batch comes after all batches before it.
    """
    try:
        ready = next(batches)
    except StopIteration:
        return
    while True:
        try:
            following = next(batches)
        except StopIteration:
            yield ready
            return
        except Exception:
            yield ready
            raise
        yield ready
        ready = following


def _arrive(sent: _Sent) -> Views:
    """The views, for the work that comes next on the device."""
    views = sent.views
    if sent.finished is not None:
        stream = torch.cuda.current_stream(views.labels.device)
        stream.wait_event(sent.finished)
        for tensor in (*views.images, views.labels, views.indices):
            tensor.record_stream(stream)  # its memory is not used again before that work is done
    return views


def _to(batch: Any, device: torch.device) -> Any:
    """A tuple of tensors and lists of tensors on a device."""

    def move(each: Tensor | list[Tensor]) -> Any:
        if isinstance(each, Tensor):
            return each.to(device, non_blocking=device.type == "cuda")
        return [move(tensor) for tensor in each]

    return type(batch)(*map(move, batch))
