"""Rows of the benchmark: training under Lightning's Trainer, from a fixed batch and from files."""

import argparse
import shutil
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import instdisc
from benchmarks.children import run_in_child
from benchmarks.measure import Run, alone
from benchmarks.roofline import Work, step_flop
from benchmarks.runs import Fixed, Recipe, compiled_folder, fit, train, use_compiled
from benchmarks.step import Batch, bare_step, random_batch
from benchmarks.views import jpeg_folder

Contenders = dict[str, Callable[[], Any]]


def trainer(options: argparse.Namespace) -> Contenders:
    """Our hooks over the Trainer's own; each call is a run, which tells the seconds of a step."""

    def seconds(make: Callable[[], pl.LightningModule]) -> Callable[[], float]:
        loader = Fixed(random_batch("cpu", 16, 8), 300)
        return lambda: statistics.mean(fit(make(), loader, warm_up=30, steps=270).seconds)

    return {
        "the same arithmetic in a plain LightningModule": seconds(_Plain),
        "ours: MoCoModule": seconds(_tiny),
    }


def end_to_end_50(options: argparse.Namespace) -> Contenders:
    """A compiled run from JPEG files with all cores, nothing cached."""
    return _contenders(options, {"ours, compiled, nothing cached": (True, True)}, small=False)


def end_to_end_18(options: argparse.Namespace) -> Contenders:
    """The same of small images that are kept on the device, beside the bare step compiled."""
    runs = _contenders(options, {"ours, compiled, nothing cached": (True, True)}, small=True)
    network, size, stem = _network(options, small=True)

    def bare() -> Run:
        return run_in_child(_bare, (options, network, size, stem), forks=options.forks)

    flop = next(iter(runs.values())).amount
    return {**runs, "limit: bare step, compiled, CUDA graphs": Work(bare, flop)}


def starts(options: argparse.Namespace, *, small: bool) -> Contenders:
    """Shorter runs: compiled with what the one before had compiled, and eager."""
    runs = {"ours, compiled, second start": (True, False), "ours, eager": (False, False)}
    return dict(_contenders(options, runs, small))


def _contenders(
    options: argparse.Namespace, runs: dict[str, tuple[bool, bool]], small: bool
) -> dict[str, Work]:
    """Runs by name: whether compiled, and whether from nothing cached; else of half the length.

    Each is in a process of its own, a copy of the row's, which therefore never uses the GPU, nor
    makes a backward pass.
    """
    network, size, stem = _network(options, small)
    folder = None if small else jpeg_folder(options.files)
    flop = options.batch * run_in_child(step_flop, (network, size, stem), forks=options.forks)

    def ours(compiled: bool, fresh: bool) -> Callable[[], Run]:
        share = 1.0 if fresh else 0.5
        recipe = Recipe(options, network, size, folder, compiled, share, stem)

        def call() -> Run:
            if fresh:
                shutil.rmtree(compiled_folder(network), ignore_errors=True)
            with use_compiled(network):
                return run_in_child(train, (recipe, time.time()), forks=options.forks)

        return call

    return {name: Work(ours(*how), flop) for name, how in runs.items()}


def _network(options: argparse.Namespace, small: bool) -> tuple[str, int, str]:
    """Name, size of its images, stem."""
    if not small:
        return options.large_network, options.large_size, "imagenet"
    stem = "no_pool" if options.small_network == "resnet18" else "imagenet"
    return options.small_network, options.small_size, stem


def _bare(options: argparse.Namespace, network: str, size: int, stem: str) -> Run:
    call = bare_step(options, network, size, compiled=True, replays=True, stem=stem)
    result = alone("", call, options, memory=True)
    return Run([milliseconds / 1000 for milliseconds in result.times], result.start, result.memory)


def _tiny() -> instdisc.MoCoModule:
    """MoCo with a network that takes next to no time, so that the hooks show."""
    backbone = instdisc.Backbone("test_resnet")
    backbone.net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, backbone.dim))
    return instdisc.MoCoModule(backbone, queue_size=64, batch_norm="plain")


class _Plain(pl.LightningModule):
    """The step of `_tiny` and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        tiny = _tiny()
        self.backbone, self.slow = tiny.backbone, tiny.momentum_backbone
        self.contrast = tiny.objectives["contrast"]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, labels = batch
        key = self.slow(images[1])
        loss: Tensor = self.contrast({0: self.backbone(images[0])}, {1: key}, labels)
        return loss

    def on_after_backward(self) -> None:
        self.contrast.after_backward()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.slow.update(self.backbone)
        self.contrast.after_step()

    def configure_optimizers(self) -> Any:
        parameters = [each for each in self.parameters() if each.requires_grad]
        optimizer = torch.optim.SGD(parameters, 0.03, momentum=0.9, weight_decay=1e-4)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
