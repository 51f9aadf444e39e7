"""Layers that normalise a training batch by the statistics of all processes."""

from __future__ import annotations

from typing import Any, ClassVar

from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from instdisc.checks import arguments
from instdisc.distributed import world_size

from ..norm_forms import give_form, take_back
from .normalize import normalize_over_processes


def sync_batch_norm(module: nn.Module, on: bool) -> nn.Module:
    """Lets every batch norm in `module` normalise by the statistics of all processes.

    Works in place and keeps the names, parameters and buffers of the module, so checkpoints do not
    change. In eval mode and on one process nothing changes. The running statistics are those of one
    process with the global batch; so are the outputs and, after the mean of the gradients that DDP
    takes, the gradients. Processes may hold batches of different sizes. Every process must run
    every pass.

    A norm has one form: this one takes the place of groups (see `split_batch_norm`).

    Args:
        module: any module; timm's fused norm-and-activation layers count too. A
            `torch.nn.SyncBatchNorm` in it stays what it is.
        on: whether to; ``False`` takes it back.

    Returns:
        `module` itself.

    Raises:
        TypeError: if a batch norm in `module` is of a kind that cannot be synchronised.

    Source:
        Peng et al., "MegDet" (2018), section 3.2. Differs from `torch.nn.SyncBatchNorm`: it runs on
        CPUs too, fits into one compiled graph, and takes no module's place.

    Example:
        >>> net = nn.Sequential(nn.BatchNorm1d(2))
        >>> type(sync_batch_norm(net, True)[0]).__name__
        'SyncedBatchNorm1d'
        >>> type(sync_batch_norm(net, False)[0]).__name__
        'BatchNorm1d'
    """
    arguments(sync_batch_norm, locals())
    if on:
        give_form(module, _SYNCED, "synchronised")
    else:
        take_back(module, _SYNCED)
    return module


def is_synced(module: nn.Module) -> bool:
    """Whether it is a batch norm that `sync_batch_norm` has changed."""
    return isinstance(module, _SyncedMixin)


class _SyncedMixin:
    plain: ClassVar[type[nn.Module]]
    training: bool

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or world_size() == 1:
            return super().forward(input)  # type: ignore[misc, no-any-return]
        self._check_input_dim(input)  # type: ignore[attr-defined]
        return self._normalize(input)

    def _normalize(self, input: Tensor) -> Tensor:
        norm: Any = self
        return normalize_over_processes(norm, input)


class SyncedBatchNorm1d(_SyncedMixin, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` over all processes."""

    plain = nn.BatchNorm1d


class SyncedBatchNorm2d(_SyncedMixin, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` over all processes."""

    plain = nn.BatchNorm2d


class SyncedBatchNormAct2d(_SyncedMixin, BatchNormAct2d):
    """timm's `BatchNormAct2d` over all processes."""

    plain = BatchNormAct2d

    def _normalize(self, input: Tensor) -> Tensor:
        outputs: Tensor = self.act(self.drop(super()._normalize(input)))
        return outputs


_FORMS: tuple[type[_SyncedMixin], ...] = (
    SyncedBatchNorm1d,
    SyncedBatchNorm2d,
    SyncedBatchNormAct2d,
)
_SYNCED: dict[type[nn.Module], Any] = {form.plain: form for form in _FORMS}
