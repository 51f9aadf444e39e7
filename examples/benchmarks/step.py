"""Rows of the benchmark: the whole pretraining step."""

import argparse
import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import batch_shuffle, batch_unshuffle, update_momentum
from torch import Tensor, nn

import instdisc
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
    data = random_batch(options.device, size, batch)
    backbone = instdisc.Backbone(name).to(options.device)
    queue_size = options.queue_size
    made = {
        "lightly": Lightly(copy.deepcopy(backbone), queue_size),
        "ours, plain batch norm": Ours(copy.deepcopy(backbone), queue_size, 1),
        "ours, batch norm in 2 groups": Ours(copy.deepcopy(backbone), queue_size, 2),
        "limit: bare network": Bare(copy.deepcopy(backbone)),
        "limit: bare network, channels_last": Bare(channels_last(copy.deepcopy(backbone))),
    }
    return {name: as_call(step, data, "channels_last" in name) for name, step in made.items()}


def forms(options: argparse.Namespace) -> Contenders:
    """Our step in float32 on the CPU: channels_last and compiled or not."""
    data = random_batch(options.device, 32, 64)
    contenders: Contenders = {}
    for last in (False, True):
        for compiled in (False, True):
            backbone = instdisc.Backbone("resnet18")
            step = Ours(channels_last(backbone) if last else backbone, options.queue_size, 1)
            if compiled:
                step.backbone.compile()
                step.slow.module.compile()
            form = ["channels_last"] * last + ["compiled"] * compiled
            contenders["ours, " + (", ".join(form) or "plain")] = as_call(step, data, last)
    return contenders


def device_steps(options: argparse.Namespace, name: str, size: int) -> Contenders:
    """The step in bfloat16 on a GPU: channels_last and compiled or not."""
    data = random_batch(options.device, size, options.device_images)
    backbone = instdisc.Backbone(name).to(options.device)
    contenders: Contenders = {}
    for last in (False, True):
        for compiled in (False, True):
            form = ", channels_last" * last + ", compiled" * compiled
            own = channels_last(copy.deepcopy(backbone)) if last else copy.deepcopy(backbone)
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
                contenders[contender + form] = as_call(step, data, last, bf16=True)
    return contenders


def random_batch(device: str, size: int, count: int) -> Batch:
    """Two views of noise, and labels."""
    images = [torch.randn(count, 3, size, size, device=device) for _ in range(2)]
    return images, torch.zeros(count, dtype=torch.long, device=device)


def channels_last(net: instdisc.Backbone) -> instdisc.Backbone:
    """The network in that memory format."""
    return net.to(memory_format=torch.channels_last)


def as_call(step: Any, batch: Batch, last: bool, *, bf16: bool = False) -> Callable[[], object]:
    """One step on the batch, in its memory format and precision."""
    images, labels = batch
    if last:
        images = [view.contiguous(memory_format=torch.channels_last) for view in images]
    device = images[0].device.type

    def call() -> None:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            step(images, labels)

    return call
