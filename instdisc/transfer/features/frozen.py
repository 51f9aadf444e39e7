"""A backbone that is used and stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from instdisc import checks


@contextmanager
def frozen(
    backbone: nn.Module, device: str | torch.device = "cpu", *, channels_last: bool = False
) -> Iterator[None]:
    """In the block the backbone is in eval mode on `device`, without gradients.

    Afterwards the mode of each module, the device and the memory format are what they were, and
    every weight and buffer is checked to be what it was, bit for bit.

    Args:
        backbone: what is used.
        device: where.
        channels_last: compute in that memory format; maps come in it, too.

    Raises:
        TypeError, ValueError: if `device` is none of this machine.
        RuntimeError: if a weight or buffer changed; names it.

    Example:
        >>> layer = nn.BatchNorm1d(2)
        >>> with frozen(layer):
        ...     _ = layer(torch.ones(4, 2))
        >>> layer.training, layer.running_mean
        (True, tensor([0., 0.]))
    """
    before = next(backbone.parameters()).device
    training = [module for module in backbone.modules() if module.training]
    backbone.to(checks.device("device", device)).eval()
    strides = [(weight, weight.stride()) for weight in backbone.parameters()]
    if channels_last:
        backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    kept = {name: value.clone() for name, value in backbone.state_dict().items()}
    try:
        with torch.no_grad():
            yield
        for name, value in backbone.state_dict().items():
            # As bytes, so that NaN equals itself: broken weights are reported elsewhere.
            same = torch.equal(
                *(t.contiguous().flatten().view(torch.uint8) for t in (value, kept[name]))
            )
            if not same:
                raise RuntimeError(
                    f"{name!r} of the backbone changed while it was frozen: its forward pass "
                    "trains something even in eval mode"
                )
    finally:
        for weight, stride in strides:
            if weight.stride() != stride:
                weight.data = (
                    torch.empty_like(weight).as_strided(weight.shape, stride).copy_(weight)
                )
        backbone.to(before)
        for module in training:  # one by one: parts of it may be frozen
            module.training = True
