"""Rows of the benchmark: the whole pretraining step, under the Trainer, and from files."""

import argparse
import copy
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from benchmark_views import jpeg_folder
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import batch_shuffle, batch_unshuffle, update_momentum
from torch import Tensor, nn

import instdisc
from instdisc.data import ImageFolder
from instdisc.distributed import shuffle, unshuffle
from instdisc.methods import Contrast
from instdisc.models import split_batch_norm

Contenders = dict[str, Callable[[], Any]]
Batch = tuple[Sequence[Tensor], Tensor]


class Ours:
    """One optimiser step of MoCo as `MoCoModule` takes it."""

    def __init__(self, backbone: instdisc.Backbone, queue_size: int, groups: int) -> None:
        device = next(backbone.parameters()).device
        self.backbone = split_batch_norm(backbone, groups)
        self.slow = instdisc.MomentumEncoder(self.backbone)
        loss = instdisc.InstanceDiscriminationLoss(0.2)
        self.contrast = Contrast(backbone.dim, loss, queue_size=queue_size).to(device)
        parameters = [*backbone.parameters(), *self.contrast.projector.parameters()]
        self.optimizer = torch.optim.SGD(parameters, 0.03, momentum=0.9, weight_decay=1e-4)

    def __call__(self, images: Sequence[Tensor], labels: Tensor) -> None:
        mixed, order = shuffle(images[1], seed=0)
        key = unshuffle(self.slow(mixed), order)
        loss = self.contrast([self.backbone(images[0])], key, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.contrast.after_backward()
        self.optimizer.step()
        self.slow.update(self.backbone)
        self.contrast.after_step()


class Lightly:
    """The same step from lightly's loss, head, shuffling and momentum update."""

    def __init__(self, backbone: instdisc.Backbone, queue_size: int) -> None:
        device = next(backbone.parameters()).device
        self.backbone = backbone
        self.head = MoCoProjectionHead(backbone.dim, backbone.dim, 128).to(device)
        self.slow_backbone = copy.deepcopy(backbone).requires_grad_(False)
        self.slow_head = copy.deepcopy(self.head).requires_grad_(False)
        self.loss = NTXentLoss(temperature=0.2, memory_bank_size=(queue_size, 128)).to(device)
        parameters = [*backbone.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.SGD(parameters, 0.03, momentum=0.9, weight_decay=1e-4)

    def __call__(self, images: Sequence[Tensor], labels: Tensor) -> None:
        update_momentum(self.backbone, self.slow_backbone, 0.999)
        update_momentum(self.head, self.slow_head, 0.999)
        query = self.head(self.backbone(images[0]))
        with torch.no_grad():
            mixed, order = batch_shuffle(images[1])
            key = batch_unshuffle(self.slow_head(self.slow_backbone(mixed)), order)
        loss = self.loss(query, key)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class Bare:
    """The network alone: query forward and backward, key forward, optimiser."""

    def __init__(self, backbone: nn.Module) -> None:
        self.backbone = backbone
        self.slow = copy.deepcopy(backbone).requires_grad_(False)
        self.optimizer = torch.optim.SGD(backbone.parameters(), 0.03, momentum=0.9)

    def __call__(self, images: Sequence[Tensor], labels: Tensor) -> None:
        with torch.no_grad():
            self.slow(images[1])
        self.optimizer.zero_grad()
        self.backbone(images[0]).sum().backward()
        self.optimizer.step()


def steps(options: argparse.Namespace, name: str, size: int, batch: int) -> Contenders:
    """The whole step in float32, beside lightly's and the bare network."""
    data = _batch(options.device, size, batch)
    backbone = instdisc.Backbone(name).to(options.device)
    queue_size = options.queue_size
    made = {
        "lightly": Lightly(copy.deepcopy(backbone), queue_size),
        "ours, plain batch norm": Ours(copy.deepcopy(backbone), queue_size, 1),
        "ours, batch norm in 2 groups": Ours(copy.deepcopy(backbone), queue_size, 2),
        "limit: bare network": Bare(copy.deepcopy(backbone)),
        "limit: bare network, channels_last": Bare(_channels_last(copy.deepcopy(backbone))),
    }
    return {name: _call(step, data, "channels_last" in name) for name, step in made.items()}


def forms(options: argparse.Namespace) -> Contenders:
    """Our step in float32 on the CPU: channels_last and compiled or not."""
    data = _batch(options.device, 32, 64)
    contenders: Contenders = {}
    for last in (False, True):
        for compiled in (False, True):
            backbone = instdisc.Backbone("resnet18")
            step = Ours(_channels_last(backbone) if last else backbone, options.queue_size, 1)
            if compiled:
                step.backbone.compile()
                step.slow.module.compile()
            form = ["channels_last"] * last + ["compiled"] * compiled
            contenders["ours, " + (", ".join(form) or "plain")] = _call(step, data, last)
    return contenders


def device_steps(options: argparse.Namespace, name: str, size: int) -> Contenders:
    """The step in bfloat16 on a GPU: channels_last and compiled or not."""
    data = _batch(options.device, size, options.device_images)
    backbone = instdisc.Backbone(name).to(options.device)
    contenders: Contenders = {}
    for last in (False, True):
        for compiled in (False, True):
            form = ", channels_last" * last + ", compiled" * compiled
            own = _channels_last(copy.deepcopy(backbone)) if last else copy.deepcopy(backbone)
            makers: dict[str, Callable[[instdisc.Backbone], Any]] = {
                "lightly": lambda net: Lightly(net, options.queue_size),
                "ours, 8 groups": lambda net: Ours(net, options.queue_size, 8),
                "ours, plain batch norm": lambda net: Ours(net, options.queue_size, 1),
                "limit: bare network": Bare,
            }
            for contender, make in makers.items():
                step = make(copy.deepcopy(own))
                if compiled:
                    step.backbone.compile()
                    getattr(step, "slow_backbone", getattr(step, "slow", None)).compile()
                contenders[contender + form] = _call(step, data, last, bf16=True)
    return contenders


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
    data = _batch(options.device, size, options.device_images)
    bare = Bare(_channels_last(instdisc.Backbone(name, **backbone).to(options.device)))
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
        "limit: bare network, channels_last": _call(bare, data, True, bf16=True),
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
    """Seconds per step, the first tenth of the run left out."""
    clock = _Clock(num_steps // 10)
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
    return clock.seconds / (num_steps - num_steps // 10)


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
        self.batch = _batch("cpu", 16, self.batch_size)

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


def _batch(device: str, size: int, count: int) -> Batch:
    images = [torch.randn(count, 3, size, size, device=device) for _ in range(2)]
    return images, torch.zeros(count, dtype=torch.long, device=device)


def _channels_last(net: instdisc.Backbone) -> instdisc.Backbone:
    return net.to(memory_format=torch.channels_last)


def _call(step: Any, batch: Batch, last: bool, *, bf16: bool = False) -> Callable[[], object]:
    images, labels = batch
    if last:
        images = [view.contiguous(memory_format=torch.channels_last) for view in images]
    device = images[0].device.type

    def call() -> None:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            step(images, labels)

    return call
