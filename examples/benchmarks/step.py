"""Rows of the benchmark: the whole pretraining step."""

import argparse
import copy
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import batch_shuffle, batch_unshuffle, update_momentum
from torch import Tensor, nn

import instdisc
from benchmarks.measure import Run
from benchmarks.roofline import Work, step_flop
from benchmarks.runs import Fixed, fit, moco, use_compiled

Contenders = dict[str, Callable[[], Any]]
Batch = tuple[Sequence[Tensor], Tensor]


class HookedStep:
    """One optimiser step of a method by its hooks, as the Trainer calls them.

    Args:
        module: the method.
        device: its own, e.g. ``"cuda"``.
    """

    def __init__(self, module: instdisc.PretrainModule, device: str) -> None:
        self.module = module.to(device)
        self.module.trainer = pl.Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            log_every_n_steps=0,
        )
        self.module.setup("fit")
        self.optimizer = self.module.configure_optimizers()["optimizer"]

    def __call__(self, images: Sequence[Tensor], labels: Tensor) -> None:
        indices = torch.arange(len(labels), device=labels.device)

        def closure() -> Tensor:
            loss: Tensor = self.module.training_step((images, labels, indices), 0)["loss"]
            self.optimizer.zero_grad()
            loss.backward()
            self.module.on_after_backward()
            return loss

        self.module.optimizer_step(0, 0, self.optimizer, closure)


class Ours(HookedStep):
    """One optimiser step of `MoCoModule`."""

    def __init__(
        self, backbone: instdisc.Backbone, queue_size: int, groups: int, compiled: bool = False
    ) -> None:
        module = instdisc.MoCoModule(
            backbone,
            queue_size=queue_size,
            batch_norm="shuffled" if groups > 1 else "plain",
            batch_norm_groups=groups,
            compile=compiled,
        )
        super().__init__(module, next(backbone.parameters()).device.type)
        self.contrast = self.module.objectives["contrast"]


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
    """The network alone: query forward and backward, key forward, optimiser.

    Args:
        backbone: the network.
        compiled: whether it is compiled.
        replays: whether what is compiled is replayed as CUDA graphs, where there is CUDA.
    """

    def __init__(
        self, backbone: nn.Module, *, compiled: bool = False, replays: bool = False
    ) -> None:
        self.backbone = backbone
        self.slow = copy.deepcopy(backbone).requires_grad_(False)
        parameters = list(backbone.parameters())
        fused = parameters[0].device.type == "cuda"  # the fastest form there
        self.optimizer = torch.optim.SGD(parameters, 0.03, momentum=0.9, fused=fused or None)
        self.replays = compiled and replays and fused
        if compiled:
            options = {"triton.cudagraphs": True} if self.replays else None
            for net in (self.backbone, self.slow):
                net.compile(dynamic=False, fullgraph=True, options=options)

    def __call__(self, images: Sequence[Tensor], labels: Tensor) -> None:
        if self.replays:
            torch.compiler.cudagraph_mark_step_begin()
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
            form_of_net = channels_last(backbone) if last else backbone
            step = Ours(form_of_net, options.queue_size, 1, compiled)
            form = ["channels_last"] * last + ["compiled"] * compiled
            contenders["ours, " + (", ".join(form) or "plain")] = as_call(step, data, last)
    return contenders


def device_steps(options: argparse.Namespace, *, peers: bool) -> Contenders:
    """The step in bfloat16 and channels_last on a GPU, eager and compiled; ours by the Trainer.

    Each is made when it is first called and dropped when it has been timed.
    """
    network, size = options.large_network, options.large_size

    def lightly(compiled: bool) -> Callable[[], object]:
        def make() -> Callable[[], object]:
            net = channels_last(instdisc.Backbone(network).to(options.device))
            step = Lightly(net, options.queue_size)
            if compiled:
                step.backbone.compile()
                step.slow_backbone.compile()
            return as_call(step, device_batch(options, size), True, bf16=True)

        return Lazy(make, network)

    def ours(compiled: bool, plain: bool) -> Callable[[], Run]:
        def call() -> Run:
            module = moco(options, network, compiled=compiled, plain=plain)
            steps = max(1, 5 * options.repeats)
            loader = Fixed(device_batch(options, size), 10 + steps)
            with use_compiled(network):
                return fit(
                    module, loader, warm_up=10, steps=steps, device=options.device, bf16=True
                )

        return call

    name = f"ours, {options.groups} groups"
    contenders: Contenders
    if peers:
        contenders = {
            "lightly, compiled": lightly(True),
            "ours, plain batch norm": ours(False, plain=True),
            "ours, plain batch norm, compiled": ours(True, plain=True),
        }
    else:
        contenders = {
            "lightly": lightly(False),
            "limit: bare network": bare_step(options, network, size, compiled=False),
            name: ours(False, plain=False),
            "limit: bare network, compiled": bare_step(options, network, size, compiled=True),
            f"{name}, compiled": ours(True, plain=False),
        }
    flop = options.batch * step_flop(network, size)
    return {name: Work(call, flop) for name, call in contenders.items()}


def bare_step(
    options: argparse.Namespace,
    network: str,
    size: int,
    *,
    compiled: bool,
    replays: bool = False,
    stem: str = "imagenet",
) -> Callable[[], object]:
    """The network alone in bfloat16 and channels_last on images that lie there."""

    def make() -> Callable[[], object]:
        net = instdisc.Backbone(network, stem=stem)
        net = channels_last(net.to(options.device))
        step = Bare(net, compiled=compiled, replays=replays)
        return as_call(step, device_batch(options, size), True, bf16=True)

    return Lazy(make, network)


class Lazy:
    """A call that is prepared when it is first made.

    Args:
        make: prepares it.
        network: whose folder of compiled code is used.
    """

    def __init__(self, make: Callable[[], Callable[[], Any]], network: str) -> None:
        self.make, self.network = make, network

    def __call__(self) -> Any:
        """Makes the call."""
        with use_compiled(self.network):
            return self.call()

    @cached_property
    def call(self) -> Callable[[], Any]:
        """What was prepared."""
        return self.make()


def device_batch(options: argparse.Namespace, size: int) -> Batch:
    """Two views of noise on the device, as the finisher of the views leaves them."""
    images, labels = random_batch(options.device, size, options.batch)
    form = {"dtype": torch.bfloat16, "memory_format": torch.channels_last}
    return [view.to(**form) for view in images], labels


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
