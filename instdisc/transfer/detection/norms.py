"""Batch norms of a detector: frozen, plain or synchronised."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from instdisc.checks import choice

Norm = Literal["frozen", "plain", "sync"]
NORMS = ("frozen", "plain", "sync")


class FrozenBatchNorm(nn.BatchNorm2d):
    """A batch norm whose statistics, scale and shift stay as they are, also in training.

    Its state dict is that of `torch.nn.BatchNorm2d`, so weights go in and out under the same names.

    Args:
        num_features: channels C.
        eps: added to the variance; positive.

    Differs from it:
        `torchvision.ops.FrozenBatchNorm2d` multiplies in float32 under autocast, which sends all
        later maps back to float32. This one keeps the dtype of its input.

    Example:
        >>> import torch
        >>> norm = FrozenBatchNorm(1).train()
        >>> norm(torch.full((1, 1, 1, 2), 3.0)).flatten()
        tensor([3.0000, 3.0000])
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps=eps)
        self.requires_grad_(False)

    def forward(self, input: Tensor) -> Tensor:
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


def set_norm(module: nn.Module, norm: Norm) -> nn.Module:
    """Makes every batch norm in `module` of one kind, in place; weights and statistics stay.

    Args:
        module: any module.
        norm: ``"frozen"``: `FrozenBatchNorm`. ``"plain"``: statistics of the images of one
            process. ``"sync"``: of all processes (`torch.nn.SyncBatchNorm`, which needs GPUs when
            there are several processes, and is the plain one on a single process).

    Returns:
        `module`, or what takes its place if it is a batch norm itself.

    Raises:
        ValueError: if `norm` is unknown.

    Example:
        >>> type(set_norm(nn.Sequential(nn.BatchNorm2d(4)), "frozen")[0]).__name__
        'FrozenBatchNorm'
    """
    choice("norm", norm, NORMS)
    if norm == "plain":
        return module
    if norm == "sync":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    if isinstance(module, _BatchNorm):
        frozen = FrozenBatchNorm(module.num_features, module.eps)
        # The layer may stand on any device already, and its weights may be shared.
        frozen.to(module.weight.device, module.weight.dtype)
        frozen.load_state_dict(module.state_dict())
        return frozen
    for name, child in module.named_children():
        setattr(module, name, set_norm(child, norm))
    return module


def new_norm(width: int, norm: Norm) -> nn.Module:
    """A norm for a layer that the backbone does not have.

    Args:
        width: its channels.
        norm: as in `set_norm`. ``"frozen"`` gives the identity, which a batch norm that never
            learns anything would be.

    Returns:
        A module that keeps the shape of its input.

    Example:
        >>> new_norm(4, "frozen"), type(new_norm(4, "plain")).__name__
        (Identity(), 'BatchNorm2d')
    """
    return nn.Identity() if norm == "frozen" else set_norm(nn.BatchNorm2d(width), norm)


def split_weights(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights that train, apart from and of norms.

    Example:
        >>> others, norms = split_weights(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
        >>> len(others), len(norms)
        (2, 2)
    """
    inside = {
        id(weight)
        for part in module.modules()
        if isinstance(part, (_NormBase, nn.GroupNorm, nn.LayerNorm))
        for weight in part.parameters(recurse=False)
    }
    training = [weight for weight in module.parameters() if weight.requires_grad]
    others = [weight for weight in training if id(weight) not in inside]
    return others, [weight for weight in training if id(weight) in inside]
