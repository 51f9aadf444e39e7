"""How batch norm is kept from giving query and key away to each other.

Legend: B batch on this process, W processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import timm.layers
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from instdisc.distributed import shuffle, unshuffle, world_size
from instdisc.models import split_batch_norm

BatchNormMode = Literal["shuffled", "plain", "sync"]


class BatchNormPolicy:
    """One of three ways to normalise; see `PretrainModule`.

    Args:
        mode: ``"shuffled"``, ``"plain"`` or ``"sync"``.
        groups: of ``"shuffled"``, over all processes.

    Raises:
        ValueError: if `mode` is unknown or `groups` is not positive.
    """

    def __init__(self, mode: BatchNormMode, groups: int) -> None:
        if mode not in ("shuffled", "plain", "sync"):
            raise ValueError(f"`batch_norm` must be 'shuffled', 'plain' or 'sync', got {mode!r}")
        if groups < 1:
            raise ValueError(f"`batch_norm_groups` must be at least 1, got {groups}")
        self.mode = mode
        self.groups = groups
        self._shuffles = False

    def prepare(self, net: nn.Module, device_type: str) -> None:
        """Changes the batch norms of `net` in place, before it is wrapped for several processes.

        Groups that an earlier run left in `net` are taken back.

        Raises:
            ValueError: if the groups do not divide by the processes, or ``"sync"`` is asked for
                on several processes without GPUs.
        """
        split_batch_norm(net, 1)
        self._shuffles = False
        if self.mode == "shuffled":
            here = self._groups_here()
            split_batch_norm(net, here)
            has_batch_norm = any(isinstance(module, _BatchNorm) for module in net.modules())
            self._shuffles = has_batch_norm and here * world_size() > 1
        elif self.mode == "sync" and world_size() > 1:
            if device_type == "cpu":
                raise ValueError(
                    "`batch_norm`='sync' needs GPUs when there are several processes. "
                    "Use 'shuffled' or 'plain'."
                )
            timm.layers.convert_sync_batchnorm(net)

    def encode_keys(self, encoder: Callable[[Tensor], Tensor], images: Tensor, seed: int) -> Tensor:
        """Features of the keys, shuffled between the groups on the way if need be.

        Args:
            encoder: makes ``(B, dim)`` features with the momentum backbone.
            images: ``(B, 3, H, W)``.
            seed: the same on all processes, another one each step.

        Returns:
            ``(B, dim)`` in the order of `images`.
        """
        if not self._shuffles:
            return encoder(images)
        mixed, order = shuffle(images, seed)
        return unshuffle(encoder(mixed), order)

    def _groups_here(self) -> int:
        if self.groups > world_size() and self.groups % world_size():
            raise ValueError(
                f"`batch_norm_groups`={self.groups} must divide by the {world_size()} processes"
            )
        return max(1, self.groups // world_size())
