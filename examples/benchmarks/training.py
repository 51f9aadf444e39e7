"""Rows of the benchmark: training under Lightning's Trainer, from a fixed batch and from files."""

import argparse
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
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
    """A run from JPEG files with all cores."""
    folder = jpeg_folder(options.files)
    return _end_to_end(options, options.large_network, options.large_size, folder)


def end_to_end_18(options: argparse.Namespace) -> Contenders:
    """A run on small images that are kept on the device."""
    return _end_to_end(options, options.small_network, options.small_size, None)


def _end_to_end(
    options: argparse.Namespace, network: str, size: int, folder: Path | None
) -> Contenders:
    """Ours beside the bare step compiled, each in a process of its own.

    The row's process never uses the GPU, nor makes a backward pass: it could not be copied then.
    """
    stem = "no_pool" if network == "resnet18" else "imagenet"
    flop = run_in_child(step_flop, (network, size, stem), forks=options.forks)

    def ours(compiled: bool, share: float, fresh: bool = False) -> Callable[[], Run]:
        recipe = Recipe(options, network, size, folder, compiled, share, stem)

        def call() -> Run:
            if fresh:
                shutil.rmtree(compiled_folder(network), ignore_errors=True)
            with use_compiled(network):
                return run_in_child(train, (recipe, time.time()), forks=options.forks)

        return call

    def bare() -> Run:
        return run_in_child(_bare, (options, network, size, stem), forks=options.forks)

    contenders = {
        "ours, compiled, nothing cached": ours(True, 1.0, fresh=True),
        "limit: bare step, compiled": bare,
        "ours, compiled, second start": ours(True, 0.5),
        "ours, eager": ours(False, 0.5),
    }
    return {name: Work(call, options.batch * flop) for name, call in contenders.items()}


def _bare(options: argparse.Namespace, network: str, size: int, stem: str) -> Run:
    call = bare_step(options, network, size, compiled=True, stem=stem)
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
        loss: Tensor = self.contrast([self.backbone(images[0])], key, labels)
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
