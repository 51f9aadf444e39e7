"""Rows of the benchmark: feature inversion of several images, one by one and at once."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import torch

from instdisc.analysis.inversion import ZHAO_RECIPE, SkipNetwork
from instdisc.analysis.inversion.objective import FeatureDistance
from instdisc.models import Backbone

Contenders = dict[str, Callable[[], Any]]


class Step:
    """One step of Adam for some images at once, as `invert` takes it."""

    def __init__(
        self,
        images: torch.Tensor,
        backbone: Backbone,
        channels: Sequence[int] | None,
        *,
        channels_last: bool = True,
        bf16: bool = False,
        compiled: bool = False,
    ) -> None:
        size = (images.shape[2], images.shape[3])
        kernels = None if channels is None else [3] * len(channels)
        recipe = ZHAO_RECIPE.shaped(size, channels=channels, kernels=kernels)
        self.network = SkipNetwork(
            recipe, recipe.canvas(size), seeds=range(len(images)), channels_last=channels_last
        ).to(images.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3, foreach=True)
        distance = FeatureDistance(backbone, images, len(backbone.stages) - 1, bf16=bf16)
        self.distance = torch.compile(distance) if compiled else distance

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        self.distance(self.network).sum().backward()
        self.optimizer.step()


def small(options: argparse.Namespace) -> Contenders:
    """Images of 64 px, networks of 32 channels; ResNet-18."""
    return together(options, "resnet18", 64, [32] * 4, options.inverted)


def published(options: argparse.Namespace) -> Contenders:
    """The exact recipe of Zhao et al.; ResNet-50 at 224 px."""
    return together(options, options.large_network, options.large_size, None, options.inverted)


def together(
    options: argparse.Namespace,
    name: str,
    size: int,
    channels: Sequence[int] | None,
    count: int,
) -> Contenders:
    """A step of each image: one after the other, and all at once."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, size, size, generator=generator).to(options.device)
    backbone = Backbone(name).to(options.device).eval().requires_grad_(False)
    forms = {"": {}, ", contiguous": {"channels_last": False}}
    if options.device == "cuda":
        fast = {"bf16": True}
        forms |= {", bf16": fast, ", bf16, compiled": {**fast, "compiled": True}}
    alone = Step(images[:1], backbone, channels)  # which image it is does not change the time
    contenders: Contenders = {f"{count} images one by one": lambda: [alone() for _ in range(count)]}
    for form, keywords in forms.items():
        contenders[f"{count} images at once{form}"] = Step(images, backbone, channels, **keywords)
    return contenders
