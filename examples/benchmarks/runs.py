"""Training runs of the benchmark: under Lightning's Trainer, in this process or a new one."""

import argparse
import contextlib
import logging
import os
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch

import instdisc
from benchmarks.children import reason
from benchmarks.measure import Run
from instdisc.data import ImageFolder, ImagesInMemory, ImageSubset, Scenes

_BLOCKS = 5  # timings of a run


def compiled_folder(network: str) -> Path:
    """Where what is compiled for a network lies during a benchmark."""
    return Path(tempfile.gettempdir()) / f"compiled_{network}"


@contextlib.contextmanager
def use_compiled(network: str) -> Iterator[None]:
    """Lets the compilers of this process and its children keep what they make in that folder."""
    folder = compiled_folder(network)
    places = {"TORCHINDUCTOR_CACHE_DIR": folder, "TRITON_CACHE_DIR": folder / "triton"}
    before = {name: os.environ.get(name) for name in places}
    os.environ.update({name: str(place) for name, place in places.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class Recipe(NamedTuple):
    """A run of MoCo as a user makes it; picklable.

    Attributes:
        options: of the benchmark.
        network: name of the backbone.
        size: side of the views in pixels.
        folder: of JPEG files; ``None``: small scenes, kept on the device.
        compiled: whether the networks are compiled.
        share: of the timed steps that are made.
        stem: of the backbone.
    """

    options: argparse.Namespace
    network: str
    size: int
    folder: Path | None
    compiled: bool
    share: float = 1.0
    stem: str = "imagenet"

    def module(self) -> instdisc.MoCoModule:
        """What is trained."""
        return moco(self.options, self.network, compiled=self.compiled, stem=self.stem)

    def data(self) -> instdisc.ViewData:
        """What it is trained on."""
        if self.folder is None:
            few = ImagesInMemory(Scenes(64, image_size=self.size))
            images: Any = ImageSubset(few, torch.arange(self.options.files) % len(few))
        else:
            images = ImageFolder(self.folder)
        return instdisc.ViewData(
            images,
            image_size=self.size,
            batch_size=self.options.batch,
            num_workers=self.options.workers,
            keep="nothing" if self.folder else "device",
            dtype="bfloat16",
        )


def moco(
    options: argparse.Namespace,
    network: str,
    *,
    compiled: bool,
    plain: bool = False,
    stem: str = "imagenet",
) -> instdisc.MoCoModule:
    """MoCo as the rows of a GPU train it: channels_last, batch norm in groups or plain."""
    return instdisc.MoCoModule(
        instdisc.Backbone(network, stem=stem),
        queue_size=options.queue_size,
        batch_norm="plain" if plain else "shuffled",
        batch_norm_groups=options.groups,
        channels_last=True,
        compile=compiled,
    )


def train(recipe: Recipe, began: float) -> Run:
    """Trains; the start is the time since it began until the first steps have ended."""
    options = recipe.options
    return fit(
        recipe.module(),
        recipe.data(),
        warm_up=options.start_steps,
        steps=max(1, round(recipe.share * options.steps)),
        device=options.device,
        bf16=True,
        start_steps=options.start_steps,
        began=began,
    )


def fit(
    module: pl.LightningModule,
    data: Any,
    *,
    warm_up: int,
    steps: int,
    device: str = "cpu",
    bf16: bool = False,
    start_steps: int = 1,
    began: float | None = None,
) -> Run:
    """Trains, and times the steps after the warm-up in blocks.

    Args:
        module: what is trained.
        data: a loader or a data module.
        warm_up: steps that are not timed.
        steps: that are.
        device: "cuda" or "cpu".
        bf16: whether in mixed precision.
        start_steps: what the run's start takes.
        began: when it began, as `time.time` tells; ``None``: now.
    """
    clock = _Clock(time.time() if began is None else began, start_steps, warm_up, steps)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_steps=warm_up + steps,
            max_epochs=-1,
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if bf16 else "32-true",
        )
        problem = ""
        try:
            trainer.fit(module, data)
        except Exception as error:
            if not clock.ended:
                raise
            traceback.print_exc()
            problem = reason(error)
    return Run(clock.seconds, clock.start, clock.memory, problem)


class Fixed:
    """A loader of one batch that is handed out again and again.

    Args:
        batch: images and labels.
        length: how often.
    """

    def __init__(self, batch: tuple[Any, torch.Tensor], length: int) -> None:
        self.batch, self.length, self.batch_size = batch, length, len(batch[1])

    def __iter__(self) -> Iterator[Any]:
        return iter([self.batch] * self.length)

    def __len__(self) -> int:
        return self.length


class _Clock(pl.Callback):
    """Waits for the device at the ends of blocks alone, so that the steps overlap."""

    def __init__(self, began: float, start_steps: int, warm_up: int, steps: int) -> None:
        self.began, self.start_steps, self.warm_up = began, start_steps, warm_up
        self.block = max(1, steps // _BLOCKS)
        self.start, self.before, self.memory = 0.0, 0, 0
        self.last = 0.0
        self.seconds: list[float] = []
        self.ended = False

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        step = trainer.global_step
        if step == self.start_steps:
            _wait()
            self.start = time.time() - self.began
        if step == self.warm_up:
            _wait()
            if torch.cuda.is_available():
                self.before = torch.cuda.memory_allocated()
                torch.cuda.reset_peak_memory_stats()
            self.last = time.perf_counter()
        elif step > self.warm_up and (step - self.warm_up) % self.block == 0:
            _wait()
            now = time.perf_counter()
            self.seconds.append((now - self.last) / self.block)
            self.last = now

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.ended = True
        if torch.cuda.is_available():
            self.memory = torch.cuda.max_memory_allocated() - self.before


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
