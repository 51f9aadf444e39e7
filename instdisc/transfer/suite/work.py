"""Jobs of a suite, one after the other, wherever they run: each has records or a reason."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from instdisc import checks
from instdisc.types import Record

from ..features.cache import cached_features
from .plan import Job
from .runner import Runner
from .tasks import Task

_log = logging.getLogger(__name__)
AUTO = "auto"  # a device: a GPU if there is one where it runs


class Settings(NamedTuple):
    """What all jobs of a suite have in common; see `run_suite`.

    Attributes:
        cache: the folder of the features.
        kept: the folder of the predictions, if they are kept.
        image_size: side of the views.
        batch_size: images at once for features.
        num_workers: processes that read.
        device: where to compute; it is looked for where the jobs run.
        precision: of the tasks that train the backbone.
        seed: of the tasks.
    """

    cache: Path
    kept: Path | None
    image_size: int | None
    batch_size: int
    num_workers: int
    device: str | torch.device
    precision: str
    seed: int


class Work(NamedTuple):
    """Jobs to be run in one process.

    Attributes:
        jobs: in their order.
        settings: of the suite.
        tasks: by name.
    """

    jobs: tuple[Job, ...]
    settings: Settings
    tasks: Mapping[str, Task]


class Outcome(NamedTuple):
    """What became of a job.

    Attributes:
        key: of the job.
        records: of the job; none if it failed.
        why: the reason if it failed.
    """

    key: str
    records: list[Record]
    why: str = ""


def run_jobs(work: Work, begin: Callable[[Job], Callable[[int, int], None]]) -> Iterator[Outcome]:
    """Runs jobs; each is told as soon as it is done.

    Args:
        work: the jobs.
        begin: called when a job begins; gives the function that shows how far it is.
    """
    settings = work.settings
    try:
        device = find_device(settings.device)
    except (TypeError, ValueError) as error:
        yield from (Outcome(job.key, [], reason_of(error)) for job in work.jobs)
        return
    extract = functools.partial(
        cached_features,
        folder=settings.cache,
        batch_size=settings.batch_size,
        num_workers=settings.num_workers,
        device=device,
    )
    offered = {
        "image_size": settings.image_size,
        "num_workers": settings.num_workers,
        "device": device,
        "precision": settings.precision,
        "seed": settings.seed,
        **trainer_options(device),
    }
    run = Runner(extract, offered, settings.kept, work.tasks)
    for job in work.jobs:
        try:
            outcome = Outcome(job.key, run(job, begin(job)))
        except Exception as error:  # of whatever kind: a user's own task may raise any
            _log.debug("%s", job.title, exc_info=error)
            outcome = Outcome(job.key, [], reason_of(error))
        yield outcome


def find_device(device: str | torch.device) -> torch.device:
    """A device of this machine; for ``"auto"`` a GPU if there is one, else the CPU.

    Raises:
        TypeError, ValueError: if there is no such device here.

    Example:
        >>> find_device("cpu")
        device(type='cpu')
    """
    if device == AUTO:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return checks.device("device", device)


def trainer_options(device: str | torch.device) -> dict[str, Any]:
    """A device as Lightning's Trainer names it.

    Example:
        >>> trainer_options("cuda:1")
        {'accelerator': 'gpu', 'devices': [1]}
    """
    device = torch.device(device)
    accelerator = "gpu" if device.type == "cuda" else device.type
    return {
        "accelerator": accelerator,
        "devices": 1 if device.index is None or accelerator == "cpu" else [device.index],
    }


def reason_of(error: BaseException) -> str:
    """An exception in words."""
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return f"{kind}{error}"
