"""Batch norm in groups on one device, as contrast with a momentum encoder needs it.

A query and its key that are normalised by the statistics of the same images give each other away.
On several devices the keys are shuffled between them; on one device each batch is normalised in
groups, with the keys shuffled between the groups.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def split_batch_norm(module: nn.Module, groups: int) -> nn.Module:
    """Lets every batch norm in `module` normalise equal parts of a training batch apart.

    Works in place and keeps the names, parameters and buffers of the module, so checkpoints do not
    change. In eval mode nothing changes. The running statistics see the groups one after another.

    Args:
        module: any module; timm's fused norm-and-activation layers are known too.
        groups: number of parts; the batch must divide by it. With 1 nothing changes.

    Returns:
        `module` itself.

    Raises:
        ValueError: if `groups` is not positive.
        TypeError: if a batch norm in `module` is of a kind that cannot be split.

    Source:
        The split batch norm of MoCo's single-device demonstration. Differs from it: groups are
        consecutive rows, as devices would hold them, and any batch norm of a timm model is split.

    Example:
        >>> net = split_batch_norm(nn.Sequential(nn.BatchNorm2d(1)), groups=2)
        >>> net(torch.tensor([0.0, 2.0, 10.0, 12.0]).view(4, 1, 1, 1)).flatten().detach().round()
        tensor([-1.,  1., -1.,  1.])
    """
    if groups < 1:
        raise ValueError(f"`groups` must be at least 1, got {groups}")
    for name, norm in module.named_modules():
        if not isinstance(norm, _BatchNorm) or isinstance(norm, nn.SyncBatchNorm):
            continue
        if not isinstance(norm, _SplitMixin):
            if type(norm) not in _SPLIT:
                raise TypeError(
                    f"`module` has at {name!r} a {type(norm).__name__}, which cannot be split. "
                    "Use batch_norm='plain', or a backbone with another norm."
                )
            norm.__class__ = _SPLIT[type(norm)]  # type: ignore[assignment]
        setattr(norm, "groups", groups)  # noqa: B010 (no annotation on nn.Module knows it)
    return module


class _SplitMixin:
    groups: int
    training: bool

    def forward(self, input: Tensor) -> Tensor:
        apply: Any = super().forward  # type: ignore[misc]
        if not self.training or self.groups == 1:
            return apply(input)  # type: ignore[no-any-return]
        if len(input) % self.groups:
            raise ValueError(
                f"a batch of {len(input)} cannot be normalised in {self.groups} equal groups. "
                "Change the batch size or `batch_norm_groups`, and drop the last, smaller batch."
            )
        return torch.cat([apply(part) for part in input.chunk(self.groups)])


class SplitBatchNorm1d(_SplitMixin, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` in groups."""


class SplitBatchNorm2d(_SplitMixin, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` in groups."""


class SplitBatchNormAct2d(_SplitMixin, BatchNormAct2d):
    """timm's `BatchNormAct2d` in groups."""


_SPLIT: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: SplitBatchNorm1d,
    nn.BatchNorm2d: SplitBatchNorm2d,
    BatchNormAct2d: SplitBatchNormAct2d,
}
