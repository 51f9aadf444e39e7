"""Rows of the benchmark: where a batch's time goes between JPEG files and the network."""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.measure import Run
from benchmarks.views import jpeg_folder
from instdisc.data import ImageFolder, ViewDataset, ViewFinisher, ViewLoader, view_policy
from instdisc.data.batches.blocks import BatchForm
from instdisc.data.batches.slots import SharedSlots
from instdisc.data.views.dataset import RawViews
from instdisc.types import Views

Contenders = dict[str, Callable[[], Any]]
_BLOCKS = 5  # timings of a loader


def road(options: argparse.Namespace) -> Contenders:
    """A batch of two 224 px views of JPEG files at each station of its way."""
    device, count = torch.device(options.device), options.batch
    policies = [view_policy("moco_v2")] * 2
    dataset = ViewDataset(ImageFolder(jpeg_folder(options.files)), policies)
    finish = ViewFinisher(policies, dtype=torch.bfloat16)
    form = BatchForm(dataset, count)
    slots = SharedSlots(1, form.num_bytes)
    form.make(slots[0], 0, [(0, index % options.files) for index in range(count)])
    if device.type == "cuda":
        slots.page_lock()
    there = form.read(slots[0].to(device), count)

    def loader(num_workers: int, to: str, finish: Callable[[Any], Views]) -> Callable[[], Run]:
        return lambda: _run(
            ViewLoader(dataset, count, num_workers=num_workers, device=to, finish=finish)
        )

    return {
        "workers, copy and views": loader(options.workers, options.device, finish),
        "all workers: read, decode, cut": loader(options.workers, "cpu", _unfinished),
        "one worker": loader(1, "cpu", _unfinished),
        "copy to the device": lambda: slots[0].to(device, non_blocking=True),
        "views on the device": lambda: finish(there),
    }


def _run(loader: ViewLoader) -> Run:
    """Seconds per batch, after what was made in advance is used up."""
    batches = _endless(loader)
    began = time.perf_counter()
    next(batches)
    start = time.perf_counter() - began
    for _ in range(2 * _BLOCKS):
        next(batches)
    _wait()
    seconds = []
    for _ in range(_BLOCKS):
        before = time.perf_counter()
        for _ in range(_BLOCKS):
            next(batches)
        _wait()
        seconds.append((time.perf_counter() - before) / _BLOCKS)
    return Run(seconds, start)


def _endless(loader: ViewLoader) -> Iterator[Views]:
    epoch = 0
    while True:
        loader.sampler.set_epoch(epoch)
        yield from loader
        epoch += 1


def _unfinished(raw: RawViews) -> Views:
    return Views([], raw.labels, raw.indices)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
