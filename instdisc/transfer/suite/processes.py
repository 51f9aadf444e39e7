"""Processes of this machine as an executor: one for each GPU, or for each core."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

import torch

from instdisc import checks
from instdisc.checks import checked_call

from .parcels import leave_with_driver

_environment_lock = threading.Lock()


class Processes:
    """Makes an executor of processes of this machine, for ``run_suite(executor=Processes())``.

    Each process sees one GPU, by ``CUDA_VISIBLE_DEVICES``: its device is ``"cuda"``. The cores are
    divided among the processes, by ``OMP_NUM_THREADS``, unless that is set.

    Args:
        num_workers: of processes; ``None``: one for each device, or without one for each core.
        devices: numbers or UUIDs of GPUs, given out in turn; ``None``: all that torch sees; an
            empty list for none.

    Raises:
        ValueError: if `num_workers` is no whole number of at least 1.

    Example:
        >>> processes = Processes(4, devices=[0, 1])
        >>> processes.environment(2)["CUDA_VISIBLE_DEVICES"]
        '0'
    """

    @checked_call(num_workers=checks.whole, free=["devices"])
    def __init__(
        self, num_workers: int | None = None, *, devices: Sequence[int | str] | None = None
    ) -> None:
        if devices is not None and (isinstance(devices, str) or not isinstance(devices, Sequence)):
            checks.refuse("devices", "a list of numbers or names of GPUs", devices, kind=TypeError)
        self.devices = _visible_devices() if devices is None else [str(name) for name in devices]
        self.num_workers = num_workers or len(self.devices) or _num_cores()

    def __call__(self) -> ProcessPoolExecutor:
        """A new executor; its processes begin when work comes."""
        context = _Context(self)
        return ProcessPoolExecutor(
            self.num_workers, mp_context=context, initializer=leave_with_driver
        )

    def environment(self, number: int) -> Mapping[str, str]:
        """What is set in the environment of a process.

        Args:
            number: of the process, from 0.
        """
        threads = str(max(1, _num_cores() // self.num_workers))
        chosen = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads)}
        if self.devices:
            chosen["CUDA_VISIBLE_DEVICES"] = self.devices[number % len(self.devices)]
        return chosen


class _Context(SpawnContext):
    """Starts processes in an environment of their own, before anything is imported there."""

    def __init__(self, processes: Processes) -> None:
        super().__init__()
        self._processes = processes
        self._numbers = itertools.count()

    def Process(  # type: ignore[override]  # there it is a class
        self, *values: Any, **named: Any
    ) -> SpawnProcess:
        """A process that is not started yet."""
        process = _Process(*values, **named)
        process.environment = self._processes.environment(next(self._numbers))
        return process


class _Process(SpawnProcess):
    environment: Mapping[str, str]

    def start(self) -> None:
        with _environment_lock:  # a new process takes the environment of the one that starts it
            before = {name: os.environ.get(name) for name in self.environment}
            os.environ.update(self.environment)
            try:
                super().start()
            finally:
                for name, value in before.items():
                    if value is None:
                        del os.environ[name]
                    else:
                        os.environ[name] = value


def _visible_devices() -> list[str]:
    """The GPUs that torch sees, by the names that ``CUDA_VISIBLE_DEVICES`` takes."""
    count = torch.cuda.device_count()
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number) for number in range(count)] if listed is None else listed.split(",")
    return [name.strip() for name in names][:count]


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
