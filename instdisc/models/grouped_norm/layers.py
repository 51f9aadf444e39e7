"""Layers that normalise equal parts of a training batch apart.

Legend: B batch, C channels, G groups.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, ClassVar

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from instdisc import gpu
from instdisc.checks import arguments, whole

from ..norm_forms import give_form, take_back
from .arithmetic import normalize_by_arithmetic
from .chunks import normalize_chunks


def split_batch_norm(module: nn.Module, groups: int) -> nn.Module:
    """Lets every batch norm in `module` normalise equal parts of a training batch apart.

    Works in place and keeps the names, parameters and buffers of the module, so checkpoints do not
    change. In eval mode nothing changes. The running statistics see the groups one after another.
    Each layer computes as suits where it runs: compiled as arithmetic that the compiler fuses, in
    eager mode on a GPU by Triton kernels, else by torch's batch norm on one group after another.

    A norm has one form: groups take the place of `sync_batch_norm`.

    Args:
        module: any module; timm's fused norm-and-activation layers count too.
        groups: number of parts; the batch must divide by it. 1 takes the splitting back.

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
    arguments(split_batch_norm, locals(), groups=whole)
    if groups == 1:
        take_back(module, _GROUPED)
        return module
    for norm in give_form(module, _GROUPED, "split"):
        setattr(norm, "groups", groups)  # noqa: B010 (no annotation on nn.Module knows it)
    return module


class _GroupedMixin:
    plain: ClassVar[type[nn.Module]]
    groups: int
    training: bool

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)  # type: ignore[misc, no-any-return]
        self._check_input_dim(input)  # type: ignore[attr-defined]
        check_groups(input, self.groups)
        return self._normalize(input)

    def _normalize(self, input: Tensor) -> Tensor:
        norm: Any = self
        if torch.compiler.is_compiling():
            return normalize_by_arithmetic(norm, input, self.groups)
        if suits_kernels(input):
            return _kernels()(norm, input, self.groups)
        return normalize_chunks(norm, input, self.groups)


class GroupedBatchNorm1d(_GroupedMixin, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` in groups."""

    plain = nn.BatchNorm1d


class GroupedBatchNorm2d(_GroupedMixin, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` in groups."""

    plain = nn.BatchNorm2d


class GroupedBatchNormAct2d(_GroupedMixin, BatchNormAct2d):
    """timm's `BatchNormAct2d` in groups."""

    plain = BatchNormAct2d

    def _normalize(self, input: Tensor) -> Tensor:
        if not torch.compiler.is_compiling() and suits_kernels(input) and self._rectifies():
            return _kernels()(self, input, self.groups, relu=True)
        outputs: Tensor = self.act(self.drop(super()._normalize(input)))
        return outputs

    def _rectifies(self) -> bool:
        """Whether all that follows is a ReLU without hooks."""
        hooks = self.act._forward_hooks or self.act._forward_pre_hooks or self.act._backward_hooks
        return type(self.act) is nn.ReLU and type(self.drop) is nn.Identity and not hooks


def check_groups(inputs: Tensor, groups: int) -> None:
    """Refuses a batch that groups do not divide, and groups of one value per channel.

    Raises:
        ValueError: in either case.
    """
    if len(inputs) % groups:
        raise ValueError(
            f"`batch_norm_groups` must divide the batch, but a batch of {len(inputs)} cannot be "
            f"normalised in {groups} equal groups. Change the batch size or `batch_norm_groups`, "
            "and drop the last, smaller batch."
        )
    if len(inputs) == groups and math.prod(inputs.shape[2:]) == 1:
        raise ValueError(
            f"`batch_norm_groups` must leave several images to a group, but a batch of "
            f"{len(inputs)} in {groups} groups has 1 value per channel, and batch norm needs more "
            "than 1 value per channel when training. Use fewer `batch_norm_groups`, or a larger "
            "`batch_size`."
        )


def suits_kernels(inputs: Tensor) -> bool:
    """Whether the Triton kernels can normalise these in eager mode.

    Tensors of other kinds (fake ones, those of a mode or of a subclass) have no memory to hand out.
    """
    return (
        inputs.is_cuda
        and type(inputs) in (Tensor, nn.Parameter)
        and inputs.numel() > 0
        and gpu.available(inputs.device)
    )


@cache
def _kernels() -> Any:
    # Not at the top: it takes its time, and Triton is not everywhere.
    from .fused import normalize_fused

    return normalize_fused


_FORMS: tuple[type[_GroupedMixin], ...] = (
    GroupedBatchNorm1d,
    GroupedBatchNorm2d,
    GroupedBatchNormAct2d,
)
_GROUPED: dict[type[nn.Module], Any] = {form.plain: form for form in _FORMS}
