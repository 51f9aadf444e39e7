"""A source in processes that are started afresh: one alone, and two that share an epoch."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from instdisc.data import ImageSource
from instdisc.types import Views

from .processes import free_port
from .source_batches import BATCH, batches, other_batches

_PROCESSES = 2


def faults_of_processes(sources: Sequence[tuple[ImageSource, Sequence[int]]]) -> list[str]:
    """What two processes (gloo) do otherwise than this one, of each source; empty where nothing.

    The processes are started once for all sources.

    Args:
        sources: each with the positions of some images that can be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, job in enumerate(sources):
            torch.save(job, Path(folder) / f"job-{number}.pt")
        multiprocessing.spawn(
            _run_rank, args=(folder, free_port(), len(sources)), nprocs=_PROCESSES
        )
        return [
            _compare(job, [torch.load(Path(folder) / f"{n}-{rank}.pt") for rank in range(2)])
            for n, job in enumerate(sources)
        ]


def _compare(job: tuple[ImageSource, Sequence[int]], ranks: Sequence[dict[str, Any]]) -> str:
    """The first difference, as a sentence."""
    here, start = _notes(*job), "in a process that is started afresh"
    for there in ranks:
        if there["error"]:
            return f"the source fails {start}: {there['error']}"
        for what in here:
            if not _equal(there[what], here[what]):
                return f"{what} {start}"
    whole, halves = batches(*job), [there["batches"] for there in ranks]
    counts = {len(half) for half in halves}
    if counts != {len(whole)}:
        return f"two processes have {sorted(counts)} batches of an epoch, and one has {len(whole)}"
    joined = [_join(parts) for parts in zip(*halves, strict=True)]
    fault = other_batches(joined, whole)
    return f"{fault} in two processes, each of which has its half of every batch" if fault else ""


def _notes(source: ImageSource, positions: Sequence[int]) -> dict[str, Any]:
    """What must be the same in every process, by what is said where it is not."""
    return {
        "the length or the labels are others": source.labels,
        "`image_names()` are others": source.image_names(),
        "`read` gives other images": [source.read(position) for position in positions],
        "`fingerprint()` is another one": tuple(
            source.subset(torch.tensor(positions)).fingerprint()
        ),
    }


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_equal, first, second))
    return bool(first == second)


def _join(parts: Sequence[Sequence[Any]]) -> Views:
    images = [torch.cat(views) for views in zip(*(part[0] for part in parts), strict=True)]
    return Views(images, *(torch.cat([part[row] for part in parts]) for row in (1, 2)))


def _run_rank(rank: int, folder: str, port: int, count: int) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    answers = [_attempt(_alone, Path(folder) / f"job-{number}.pt") for number in range(count)]
    dist.init_process_group("gloo", rank=rank, world_size=_PROCESSES)
    try:
        for number, answer in enumerate(answers):
            if "job" in answer:
                answer |= _attempt(_together, *answer.pop("job"))
            torch.save(answer, f"{folder}/{number}-{rank}.pt")
    finally:
        dist.destroy_process_group()


def _alone(job: Path) -> dict[str, Any]:
    source, positions = torch.load(job, weights_only=False)
    return {"job": (source, positions), **_notes(source, positions)}


def _together(source: ImageSource, positions: Sequence[int]) -> dict[str, Any]:
    made = batches(source, positions, size=BATCH // _PROCESSES)
    return {"batches": [(batch.images, batch.labels, batch.indices) for batch in made]}


def _attempt(function: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What a function gives, or its error: the other process and the other sources go on."""
    try:
        return {"error": "", **function(*arguments)}
    except Exception as error:  # of the user's class
        return {"error": f"{type(error).__name__}: {error}"}
