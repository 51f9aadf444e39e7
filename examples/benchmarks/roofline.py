"""What a device does at most, and how much work a call is.

Legend: B batch, S side of an image.
"""

import argparse
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

Contenders = dict[str, Callable[[], Any]]


class Work:
    """A call whose amount of work is known, so that its share of the device's rate can be told.

    Args:
        call: what is timed.
        amount: floating point operations, or bytes read and written, of a call.
        unit: ``"FLOP"`` or ``"B"``.
    """

    def __init__(self, call: Callable[[], Any], amount: float, unit: str = "FLOP") -> None:
        self.call, self.amount, self.unit = call, amount, unit

    def __call__(self) -> Any:
        """Does it."""
        return self.call()


def limits(options: argparse.Namespace) -> Contenders:
    """A product of two large matrices of random numbers in bfloat16, and a copy."""
    return {
        "product of two random matrices, bf16": _product(options.device, options.matrix),
        "copy": _copy(options.device, options.copied_mib),
    }


def device_rate(unit: str, options: argparse.Namespace) -> float:
    """Operations, or bytes, a second that the device reaches in the best of ten calls."""
    size = options.matrix if unit == "FLOP" else options.copied_mib
    return _rate(unit, options.device, size)


@cache
def forward_flop(name: str, size: int, stem: str = "imagenet") -> float:
    """Floating point operations of a forward pass of one image, counted by torch.

    Args:
        name: of a backbone.
        size: S.
        stem: of the backbone.
    """
    net = _on_meta(name, stem).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.empty(1, 3, size, size, device="meta"))
    return float(counter.get_total_flops())


@cache
def step_flop(name: str, size: int, stem: str = "imagenet") -> float:
    """Operations of one pair in a step: query forward and backward, key forward."""
    net = _on_meta(name, stem)
    images = torch.empty(2, 3, size, size, device="meta")  # batch norm wants more than one
    with FlopCounterMode(display=False) as counter:
        net(images).sum().backward()
    return counter.get_total_flops() / 2 + forward_flop(name, size, stem)


def _on_meta(name: str, stem: str) -> torch.nn.Module:
    from instdisc import Backbone  # here: a row that needs no network starts sooner

    return Backbone(name, stem=stem).to("meta")


@cache
def _rate(unit: str, device: str, size: int) -> float:
    work = (_product if unit == "FLOP" else _copy)(device, size)
    seconds = []
    for _ in range(10):
        begin = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return work.amount / min(seconds)


def _product(device: str, side: int) -> Work:
    left, right = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    return Work(lambda: left @ right, 2.0 * side**3)


def _copy(device: str, mib: int) -> Work:
    source = torch.zeros(mib * 2**20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return Work(lambda: target.copy_(source), 2.0 * source.numel(), "B")
