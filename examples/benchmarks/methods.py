"""Rows of the benchmark: a step of each method, beside lightly's script of it."""

import argparse
import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightly.loss import BarlowTwinsLoss, VICRegLoss
from torch import Tensor, nn

import instdisc
from benchmarks.lightly_methods import HIDDEN, LIGHTLY_METHODS, OUT, LightlyMethod
from benchmarks.step import Contenders, HookedStep, as_call, random_batch
from instdisc.losses import barlow_twins_loss, vicreg_loss

_HEADS: dict[str, Any] = {"hidden_dim": HIDDEN, "projection_dim": OUT}
_PLAIN: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.03, "batch_norm": "plain"}
# Ours with the widths of lightly's heads; each by its name there.
OURS: dict[str, tuple[Callable[..., instdisc.PretrainModule], dict[str, Any]]] = {
    "simclr": (instdisc.SimCLRModule, _HEADS),
    "byol": (instdisc.BYOLModule, _HEADS),
    "simsiam": (instdisc.SimSiamModule, {"projection_dim": HIDDEN, "bottleneck_dim": OUT}),
    "barlow_twins": (instdisc.BarlowTwinsModule, {**_HEADS, "projection_dim": HIDDEN}),
    "vicreg": (instdisc.VICRegModule, {**_HEADS, "projection_dim": HIDDEN}),
    "nnclr": (instdisc.NNCLRModule, {**_HEADS, "predictor_dim": HIDDEN, "queue_size": 4096}),
    "dino": (instdisc.DINOModule, {**_HEADS, "num_prototypes": 2048, "num_views": 2}),
    "moco_v3": (instdisc.MoCoV3Module, _HEADS),
    "instdisc": (instdisc.InstDiscModule, {"num_images": 50_000, "projection_dim": OUT}),
}
_KEYS = {"byol", "dino", "moco_v3"}  # methods with a momentum encoder


class LightlyStep:
    """One optimiser step of a method as lightly's script makes it."""

    def __init__(self, method: LightlyMethod) -> None:
        self.method = method
        trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.SGD(trained, 0.03, momentum=0.9, weight_decay=1e-4)

    def __call__(self, images: Sequence[Tensor], labels: Tensor) -> None:
        self.method.before_step()
        loss = self.method.loss(images)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class BareStep:
    """The passes of a method through the network alone: two views, and two keys if it has any."""

    def __init__(self, backbone: nn.Module, *, keys: bool) -> None:
        self.backbone = backbone
        self.slow = copy.deepcopy(backbone).requires_grad_(False) if keys else None
        self.optimizer = torch.optim.SGD(backbone.parameters(), 0.03, momentum=0.9)

    def __call__(self, images: Sequence[Tensor], labels: Tensor) -> None:
        if self.slow is not None:
            with torch.no_grad():
                for view in images:
                    self.slow(view)
        self.optimizer.zero_grad()
        sum(self.backbone(view).sum() for view in images).backward()
        self.optimizer.step()


def two_views(options: argparse.Namespace, name: str, batch: int, dim: int) -> Contenders:
    """A loss of the outputs of two views, and its gradient."""
    lightlys, ours = {
        "barlow_twins": (BarlowTwinsLoss(), barlow_twins_loss),
        "vicreg": (VICRegLoss(), vicreg_loss),
    }[name]
    if options.tiny:
        batch, dim = 8, 16
    first, second = (torch.randn(batch, dim, device=options.device) for _ in range(2))

    def call(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
        def backward() -> None:
            loss(first.clone().requires_grad_(), second.clone().requires_grad_()).backward()

        return backward

    return {"lightly": call(lightlys), "ours": call(ours)}


def step(options: argparse.Namespace, name: str, size: int, batch: int) -> Contenders:
    """A step in float32 of the method, lightly's (where it has one), ours, and the network's."""
    images, labels = random_batch(options.device, size, batch)
    views = images[:1] if name == "instdisc" else images
    network = "test_resnet" if options.tiny else "resnet18"
    backbone = instdisc.Backbone(network).to(options.device)
    kind, settings = OURS[name]
    made: dict[str, Any] = {}
    if name in LIGHTLY_METHODS:
        peer = LIGHTLY_METHODS[name](copy.deepcopy(backbone), backbone.dim).to(options.device)
        made["lightly"] = LightlyStep(peer)
    module = kind(copy.deepcopy(backbone), **{**_PLAIN, **settings})
    made["ours"] = HookedStep(module, options.device)
    made["limit: bare network"] = BareStep(copy.deepcopy(backbone), keys=name in _KEYS)
    return {name: as_call(each, (views, labels), False) for name, each in made.items()}
