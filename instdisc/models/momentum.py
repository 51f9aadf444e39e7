"""The slow copy of an encoder that makes the keys."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from instdisc.checks import arguments, instance, within

from .conversion import keeping

_NARROW = (torch.bfloat16, torch.float16)


class MomentumEncoder(nn.Module):
    """A frozen copy whose parameters follow those of the encoder: ``k <- m * k + (1 - m) * q``.

    Buffers (running statistics of batch norm) are its own: in train mode it normalises by the
    statistics of its own batches, as in MoCo's code.

    The averages are held in float32 at least, whatever the encoder and the module around are
    converted to (a step of 1 - m = 0.001 rounds to nothing in half precision); images in half
    precision are passed through under autocast.

    Args:
        encoder: the module to copy; its present weights are the start.
        momentum: m, in [0, 1).

    Raises:
        TypeError: if `encoder` is no module or `momentum` no number.
        ValueError: if `momentum` is outside [0, 1).

    Source:
        He et al., "Momentum Contrast" (2020), equation 2.

    Example:
        >>> encoder = nn.Linear(1, 1, bias=False)
        >>> slow = MomentumEncoder(encoder, momentum=0.9)
        >>> _ = nn.init.constant_(slow.module.weight, 0.0), nn.init.constant_(encoder.weight, 1.0)
        >>> slow.update(encoder)
        >>> slow.module.weight
        Parameter containing:
        tensor([[0.1000]])
    """

    def __init__(self, encoder: nn.Module, momentum: float = 0.999) -> None:
        super().__init__()
        arguments(MomentumEncoder.__init__, locals(), momentum=within(at_least=0, below=1))
        self.momentum = momentum
        self.module = copy.deepcopy(encoder).requires_grad_(False)
        self._apply(lambda tensor: tensor)

    @torch.no_grad()
    def forward(self, *inputs: Any) -> Tensor:
        """What the slow copy makes of the inputs, without gradient."""
        with _narrow(inputs):
            output: Tensor = self.module(*inputs)
        return output

    @torch.no_grad()
    def update(self, encoder: nn.Module) -> None:
        """One step towards `encoder`; call it once per optimiser step."""
        instance("encoder", encoder, nn.Module, "a module")
        slow, fast = _parameters(self.module), _parameters(encoder)
        if not slow and not fast:
            return
        try:
            if [average.dtype for average in slow] != [weight.dtype for weight in fast]:
                wide = [torch.empty_like(average) for average in slow]
                torch._foreach_copy_(wide, fast)
                fast = wide
            torch._foreach_lerp_(slow, fast, 1 - self.momentum)
        except RuntimeError as error:
            rule = "a module of the parameters of the one that was copied"
            raise ValueError(f"`encoder` must be {rule}, got another: {error}") from error

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> MomentumEncoder:
        converted: MomentumEncoder = super()._apply(keeping(fn, _at_least_float32), recurse)
        return converted


def _at_least_float32(before: torch.dtype, after: torch.dtype) -> torch.dtype:
    return torch.promote_types(after, torch.float32)


def _narrow(inputs: tuple[Any, ...]) -> AbstractContextManager[Any]:
    """Computes in the precision of images that are in half, as all around does."""
    for images in inputs:
        if isinstance(images, Tensor) and images.dtype in _NARROW:
            device = images.device.type
            if not torch.is_autocast_enabled(device):
                return torch.autocast(device, images.dtype)
    return nullcontext()


def _parameters(module: nn.Module) -> list[Tensor]:
    """Each parameter once, as `nn.Module.parameters`, which takes a tenth of an update for it."""
    modules: list[nn.Module | None] = [module]
    parameters: list[Tensor | None] = []
    for part in modules:
        if part is not None:
            parameters += part._parameters.values()
            modules += part._modules.values()
    return [parameter for parameter in dict.fromkeys(parameters) if parameter is not None]
