"""The form of a network, which a run may change and must take back."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .grouped_norm import split_batch_norm
from .synced_norm import is_synced, sync_batch_norm


class Form:
    """How a network stands: all of it but its weights and statistics.

    That is which batch norms it has, in how many groups or over which processes they normalise, the
    mode of each of its modules, and dtype, memory format and need of gradients of its weights.

    Args:
        net: stays as it is.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
        >>> form = Form(net)
        >>> _ = split_batch_norm(net.half().eval(), 4).requires_grad_(False)
        >>> form.restore()
        >>> type(net[1]).__name__, net.training, net[0].weight.dtype, net[0].weight.requires_grad
        ('BatchNorm2d', True, torch.float32, True)
    """

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self._modules = [
            (module, module.training, dict(module.named_children())) for module in net.modules()
        ]
        self._groups = [
            (norm, int(groups))
            for norm in net.modules()
            if isinstance(norm, _BatchNorm) and (groups := getattr(norm, "groups", 0))
        ]
        self._synced = [norm for norm in net.modules() if is_synced(norm)]
        self._weights = [
            (weight, weight.requires_grad, weight.dtype, weight.stride())
            for weight in net.parameters()
        ]
        self._statistics = [
            (module, name, value.dtype)
            for module in net.modules()
            for name, value in module.named_buffers(recurse=False)
        ]

    def restore(self) -> None:
        """Gives the network this form again; weights and statistics stay what they are."""
        sync_batch_norm(split_batch_norm(self._net, 1), False)
        for module, mode, children in self._modules:
            for name, child in children.items():
                present = getattr(module, name, None)
                if present is not child and isinstance(child, _BatchNorm):
                    _move(present, child)
                    setattr(module, name, child)
            module.training = mode
        for norm, groups in self._groups:
            split_batch_norm(norm, groups)
        for synced in self._synced:
            sync_batch_norm(synced, True)
        for module, name, dtype in self._statistics:
            value = getattr(module, name, None)
            if isinstance(value, Tensor) and value.dtype != dtype:
                setattr(module, name, value.to(dtype))
        for weight, trains, dtype, stride in self._weights:
            weight.requires_grad_(trains)
            if type(weight.data) is Tensor and weight.dim() == len(stride):
                _put_back(weight, dtype, stride)


def _move(present: nn.Module | None, norm: nn.Module) -> None:
    """What stands in a norm's place has its statistics now; the weights are the same objects."""
    if isinstance(present, _BatchNorm):
        for name, value in present.named_buffers(recurse=False):
            setattr(norm, name, value)


def _put_back(weight: nn.Parameter, dtype: torch.dtype, stride: tuple[int, ...]) -> None:
    if weight.dtype != dtype:
        weight.grad = None  # of the other type
        weight.data = weight.data.to(dtype)
    if weight.stride() != stride:
        plain = torch.empty_strided(weight.shape, stride, dtype=dtype, device=weight.device)
        weight.data = plain.copy_(weight.data)
