"""The network of a deep image prior, for several images at once.

Legend: G images (and as many networks), C channels of each, L levels, H x W size of a map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call

from .recipe import ZHAO_RECIPE, PriorRecipe

_SLOPE = 0.2  # of the leaky rectifier
_LAST = torch.channels_last


class SkipNetwork(nn.Module):
    """G networks that draw an image each from noise of their own, run as one.

    Each has L levels. A level takes a map to half its size and hands it to the next; what comes
    back is enlarged to the nearest pixel, joined with a few channels that went straight across,
    and convolved. Every convolution but the last is followed by batch norm and a leaky rectifier
    of slope 0.2.

    The channels of all networks lie side by side in one map ``(1, G C, H, W)``: convolutions in G
    groups, and the batch norm's statistics are those of each image, as in a batch of one. So a
    network's output and gradients do not depend on which others run beside it.

    Args:
        recipe: channels, kernels and so on of each.
        size: H and W of the noise and of the drawn image; multiples of ``2 ** L``.
        seeds: G of them: of each network's noise and first weights, drawn as torch draws a
            convolution's (uniform within one over the root of its inputs).
        channels_last: memory format; faster on a CPU.

    Attributes:
        noise: ``(1, G * input_channels, H, W)`` float32, fixed.

    Raises:
        TypeError: if a seed is no whole number.
        ValueError: if there is no seed, or `size` is no multiple.

    Source:
        Ulyanov et al., "Deep Image Prior" (2018); Zhao et al. (2021) for the numbers. Differs from
        them: one network for each of several images at once. Averaging after a convolution of
        stride 1 is done as one convolution of stride 2 with the averaged kernel, which is the same.

    Example:
        >>> recipe = ZHAO_RECIPE.shaped((16, 16), channels=[8, 8])
        >>> network = SkipNetwork(recipe, (16, 16), seeds=[0, 1, 2])
        >>> network().shape
        torch.Size([3, 3, 16, 16])
    """

    noise: Tensor

    @checked_call()
    def __init__(
        self,
        recipe: PriorRecipe = ZHAO_RECIPE,
        size: tuple[int, int] = (256, 256),
        *,
        seeds: Sequence[int] = (0,),
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        if not len(seeds):
            checks.refuse("seeds", "a list of at least one", list(seeds))
        for side in size:
            checks.whole("size", side)
        if recipe.canvas(size) != tuple(size):
            step = 2 ** len(recipe.channels)
            checks.refuse("size", f"multiples of {step}", size, "See PriorRecipe.canvas.")
        generators = [
            torch.Generator().manual_seed(checks.whole("seeds", seed, at_least=0)) for seed in seeds
        ]
        shape = (recipe.input_channels, *size)
        noise = [recipe.input_scale * torch.rand(shape, generator=g) for g in generators]
        self.register_buffer("noise", torch.cat(noise)[None])
        self.sigmoid = recipe.sigmoid
        self.groups = len(seeds)
        widths = [recipe.input_channels, *recipe.channels]
        self.levels = nn.ModuleList(
            _Level(widths[i], widths[i + 1], widths[min(i + 2, len(widths) - 1)], kernel,
                   recipe.skip_channels, generators)
            for i, kernel in enumerate(recipe.kernels)
        )  # fmt: skip
        self.last = _Convolution(widths[1], 3, 1, generators)
        if channels_last:
            self.to(memory_format=_LAST)  # type: ignore[call-overload]

    def forward(self) -> Tensor:
        """What the networks draw.

        Returns:
            ``(G, 3, H, W)``; from 0 to 1 with a sigmoid, else without bounds.
        """
        drawn = self.last(self._from_level(0, self.noise))  # (1, G * 3, H, W)
        images = drawn.unflatten(1, (self.groups, 3))[0]
        return images.sigmoid() if self.sigmoid else images

    def _from_level(self, index: int, x: Tensor) -> Tensor:
        """What comes back from a level and all deeper ones, in the size of what went in."""
        if index == len(self.levels):
            return x
        level: Any = self.levels[index]
        deeper = self._from_level(index + 1, level.descend(x))
        ascended: Tensor = level.ascend(level.across(x), deeper)
        return ascended


class _Level(nn.Module):
    """A level: down, past, and up again.

    Args:
        inputs: channels of what comes in.
        width: channels of this level.
        deeper: channels of what comes back from the next level.
        kernel: side of the convolutions.
        skip: channels that go past.
        generators: of the weights, for each network.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        deeper: int,
        kernel: int,
        skip: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        self.groups = groups = len(generators)
        self.across = _Step(inputs, skip, 1, generators)
        self.descend = nn.Sequential(
            _Step(inputs, width, kernel, generators, halve=True),
            _Step(width, width, kernel, generators),
        )
        self.joined = _Normalisation(groups * (skip + deeper))
        self.merge = nn.Sequential(
            _Step(skip + deeper, width, kernel, generators), _Step(width, width, 1, generators)
        )

    def ascend(self, past: Tensor, deeper: Tensor) -> Tensor:
        enlarged = F.interpolate(deeper, scale_factor=2.0, mode="nearest")
        merged: Tensor = self.merge(self.joined(_join(past, enlarged, self.groups)))
        return merged


class _Step(nn.Module):
    """Convolution, batch norm, leaky rectifier."""

    def __init__(
        self,
        inputs: int,
        width: int,
        kernel: int,
        generators: Sequence[torch.Generator],
        *,
        halve: bool = False,
    ) -> None:
        super().__init__()
        self.convolution = _Convolution(inputs, width, kernel, generators, halve=halve)
        self.normalisation = _Normalisation(len(generators) * width)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.normalisation(self.convolution(x)), _SLOPE)


class _Convolution(nn.Module):
    """G convolutions with zero padding, each drawn by a generator of its own."""

    def __init__(
        self,
        inputs: int,
        width: int,
        kernel: int,
        generators: Sequence[torch.Generator],
        *,
        halve: bool = False,
    ) -> None:
        super().__init__()
        self.halve = halve
        self.padding = kernel // 2
        self.groups = len(generators)
        bound = 1 / math.sqrt(inputs * kernel**2)
        weights: list[Tensor] = []
        biases: list[Tensor] = []
        for generator in generators:
            for kept, shape in ((weights, (width, inputs, kernel, kernel)), (biases, (width,))):
                kept.append(torch.empty(shape).uniform_(-bound, bound, generator=generator))
        self.weight = nn.Parameter(torch.cat(weights))
        self.bias = nn.Parameter(torch.cat(biases))

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.weight
        stride = 1
        if self.halve:
            # The mean of four neighbouring outputs is the output of the mean of four shifted
            # kernels: a quarter of the places, for a kernel that is one wider.
            weight, stride = F.avg_pool2d(F.pad(weight, (1, 1, 1, 1)), 2, stride=1), 2
        return F.conv2d(
            x, weight, self.bias, stride=stride, padding=self.padding, groups=self.groups
        )


class _Normalisation(nn.Module):
    """Batch norm over a batch of one, with the statistics of this very map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True)


def _join(a: Tensor, b: Tensor, groups: int) -> Tensor:
    """The channels of each network together: ``(1, G A, H, W)``, ``(1, G B, H, W)``."""
    if groups == 1:
        return torch.cat([a, b], 1)
    if a.is_contiguous(memory_format=_LAST):  # joined where they lie, without a transposition
        parts = [x.permute(0, 2, 3, 1).unflatten(3, (groups, -1)) for x in (a, b)]
        return torch.cat(parts, 4).flatten(3).permute(0, 3, 1, 2)
    return torch.cat([x.unflatten(1, (groups, -1)) for x in (a, b)], 2).flatten(1, 2)
