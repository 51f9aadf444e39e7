"""A step of two processes of this machine, timed beside the one that is computed alone."""

from __future__ import annotations

import os
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed
import torch.multiprocessing as multiprocessing
from pytorch_lightning import Callback

from instdisc import MoCoModule
from instdisc.testing.runs import fit, make_batches

from .communication import step_messages
from .scaling_model import Cluster, Link, Step, model_step

_SMALL, _LARGE = 2**10, 2**22  # bytes of an all-reduce, of which delay and rate are found


class Comparison(NamedTuple):
    """What two processes take, in seconds.

    Attributes:
        link: gloo's, measured.
        modelled: the step on paper.
        measured: the step, median; of the slower process.
    """

    link: Link
    modelled: Step
    measured: float


def compare(*, backbone: str, size: int, images: int, steps: int) -> Comparison:
    """Times gloo, then MoCo's step in each of two processes alone, then in both together.

    Alone, too, both compute at the same time, so that memory and caches are shared likewise.

    Args:
        backbone: its name.
        size: side of the views in pixels.
        images: B, of a process.
        steps: that are timed, each way.
    """
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        settings = {"backbone": backbone, "size": size, "images": images, "steps": steps}
        multiprocessing.spawn(_work, args=(folder, port, settings), nprocs=2)
        ranks = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(2)]
    small, large, alone, together = (max(rank[i] for rank in ranks) for i in range(4))
    # Of two processes, each sends as many bytes as it hands over, in two hops.
    rate = (_LARGE - _SMALL) / (large - small)
    link = Link(rate, max(0.0, small - _SMALL / rate) / 2)
    messages = step_messages(_module(backbone), [size, size], images=images, processes=2, gpu=False)
    cluster = Cluster(link, link, node=2)
    return Comparison(link, model_step(messages, cluster, 2, computed=alone, backward=0), together)


class _Clock(Callback):
    """Seconds from one step to the next; the first three are no measure."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())

    def median(self) -> float:
        """Of all steps after the third."""
        pairs = zip(self.times[2:], self.times[3:], strict=False)
        return statistics.median(after - before for before, after in pairs)


def _module(backbone: str) -> MoCoModule:
    torch.manual_seed(0)
    return MoCoModule(backbone, queue_size=4096, batch_norm_groups=2)


def _work(rank: int, folder: str, port: int, settings: dict[str, Any]) -> None:
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), NODE_RANK="0", LOCAL_RANK=str(rank)
    )
    torch.set_num_threads(1)
    batches = make_batches(settings["steps"] + 3, settings["images"], settings["size"])
    alone = _Clock()
    # Two groups, as of two processes one each: here without a message.
    fit(_module(settings["backbone"]), batches, alone)
    os.environ["WORLD_SIZE"] = "2"
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    reduced = [_all_reduce(count) for count in (_SMALL, _LARGE)]
    together = _Clock()
    fit(_module(settings["backbone"]), batches, together, devices=2, strategy="ddp")
    times = (*reduced, alone.median(), together.median())
    torch.save(times, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def _all_reduce(num_bytes: int) -> float:
    """Seconds of one, median of twenty."""
    values, seconds = torch.zeros(num_bytes // 4), []
    for _ in range(20):
        torch.distributed.barrier()
        begin = time.perf_counter()
        torch.distributed.all_reduce(values)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)
