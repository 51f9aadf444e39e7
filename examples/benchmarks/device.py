"""The device of a benchmark: its name, what it does at most, and how processes begin on it."""

import argparse
import importlib
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.children import ChildError, run_in_child

_PATIENCE = 45.0  # seconds for a new process to begin work on a GPU
_IMPORTED = ("lightly.loss", "lightly.models.modules", "torchvision.models.detection", "timm.data")
_IMPORTED += ("pytorch_lightning", "instdisc", "instdisc.data", "instdisc.transfer")


class Device(NamedTuple):
    """What is known of a device before the rows begin.

    Attributes:
        name: of it and of the machine.
        rates: operations ("FLOP", of bfloat16) and bytes ("B") a second; empty = not measured.
        forks: whether rows begin as copies of this process, with all that it has imported: on a
            machine that has just started an import of everything takes ten seconds.
    """

    name: str
    rates: dict[str, float]
    forks: bool


def look_at(options: argparse.Namespace) -> Device:
    """Measures a GPU in a process of its own: one that has used a GPU cannot be copied."""
    if options.device != "cuda":
        return Device(processor(), {}, False)
    for name in _IMPORTED:
        importlib.import_module(name)
    try:
        gpu, rates = run_in_child(_copied, (options,), forks=True, seconds=_PATIENCE)
        forks = True
    except ChildError:  # an import has touched the GPU
        gpu, rates = run_in_child(_measured, (options,), forks=False, seconds=_PATIENCE)
        forks = False
    return Device(f"{gpu}, {processor()}", rates, forks)


def versions() -> str:
    """Of the packages that the numbers depend on."""
    names = ("torch", "torchvision", "pytorch-lightning", "lightly", "timm")
    return ", ".join(f"{name} {version(name)}" for name in names)


def processor() -> str:
    """The machine in words."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line]
        name = names[0].split(":")[1].strip() if names else name
    return f"{name}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"


def _copied(options: argparse.Namespace) -> tuple[str, dict[str, float]]:
    """In a copy of a copy, as the training runs are."""
    measured: tuple[str, dict[str, float]] = run_in_child(_measured, (options,), forks=True)
    return measured


def _measured(options: argparse.Namespace) -> tuple[str, dict[str, float]]:
    from benchmarks.roofline import device_rate

    return torch.cuda.get_device_name(), {
        unit: device_rate(unit, options) for unit in ("FLOP", "B")
    }
