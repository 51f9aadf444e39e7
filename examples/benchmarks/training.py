"""Rows of the benchmark: steps under Lightning's Trainer, from a fixed batch and from files."""

import argparse
import copy
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import instdisc
from benchmarks.step import Bare, Batch, as_call, channels_last, random_batch
from benchmarks.views import jpeg_folder
from instdisc.data import ImageFolder

Contenders = dict[str, Callable[[], Any]]


def trainer(options: argparse.Namespace) -> Contenders:
    """Our hooks over the Trainer's own; each call is one step of a run, timed by the run."""
    return {
        "the same arithmetic in a plain LightningModule": lambda: _per_step(_Plain(), 300),
        "ours: MoCoModule": lambda: _per_step(_tiny(), 300),
    }


def end_to_end_50(options: argparse.Namespace) -> Contenders:
    """Seconds per step of a run from JPEG files with all cores."""
    folder = ImageFolder(jpeg_folder(options.files))
    return _end_to_end(options, "resnet50", {}, 224, folder, keep="nothing")


def end_to_end_18(options: argparse.Namespace) -> Contenders:
    """Seconds per step of a run on small images that are kept on the device."""
    scenes = instdisc.Scenes(options.files, image_size=64)
    return _end_to_end(options, "resnet18", {"stem": "no_pool"}, 64, scenes, keep="device")


def _end_to_end(
    options: argparse.Namespace,
    name: str,
    backbone: dict[str, Any],
    size: int,
    images: Any,
    **data_options: Any,
) -> Contenders:
    data = random_batch(options.device, size, options.device_images)
    bare = Bare(channels_last(instdisc.Backbone(name, **backbone).to(options.device)))
    module = instdisc.MoCoModule(
        instdisc.Backbone(name, **backbone), channels_last=True, queue_size=options.queue_size
    )
    views = instdisc.ViewData(
        images,
        image_size=size,
        batch_size=options.device_images,
        num_workers=options.workers,
        compile_views=True,
        **data_options,
    )
    return {
        "limit: bare network, channels_last": as_call(bare, data, True, bf16=True),
        "ours: Trainer, loader, views, loss": lambda: _per_step(
            module,
            options.steps,
            views,
            precision="bf16-mixed",
            accelerator="gpu" if options.device == "cuda" else "cpu",
        ),
    }


def _per_step(
    module: pl.LightningModule, num_steps: int, data: Any = None, **trainer_options: Any
) -> float:
    """Seconds per step, the first tenth of the run left out, and always the first step."""
    if num_steps < 2:
        raise ValueError(f"`--steps` must be at least 2: the first is not timed, got {num_steps}")
    warm_up = max(1, num_steps // 10)
    clock = _Clock(warm_up)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = pl.Trainer(
            max_steps=num_steps,
            max_epochs=-1,
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            **{"accelerator": "cpu", **trainer_options},
        )
        run.fit(copy.deepcopy(module), data if data is not None else _Fixed())
    return clock.seconds / (num_steps - warm_up)


class _Clock(pl.Callback):
    def __init__(self, first: int) -> None:
        self.first, self.start, self.seconds = first, 0.0, 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.first:
            self._wait()
            self.start = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._wait()
        self.seconds = time.perf_counter() - self.start

    @staticmethod
    def _wait() -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()


class _Fixed:
    """A loader of one batch that is given again and again."""

    batch_size = 8

    def __init__(self) -> None:
        self.batch = random_batch("cpu", 16, self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return iter([self.batch] * len(self))

    def __len__(self) -> int:
        return 300


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
