"""How batch norm is kept from giving query and key away to each other.

Legend: B batch on this process, W processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from instdisc.distributed import shuffle, unshuffle, world_size
from instdisc.models import split_batch_norm, sync_batch_norm
from instdisc.models.norm_forms import has_batch_norm

BatchNormMode = Literal["shuffled", "plain", "sync"]


class BatchNormPolicy:
    """One of three ways to normalise, for the backbone and the heads; see `PretrainModule`.

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
        self._has_norms = False

    def prepare(self, net: nn.Module) -> None:
        """Changes the batch norms of `net` in place; what an earlier run changed is taken back.

        Args:
            net: a network that sees a batch of images or of their features, on every process.

        Raises:
            ValueError: if the groups do not divide by the processes.
            TypeError: if a batch norm is of a kind that can be neither split nor synchronised.
        """
        sync_batch_norm(split_batch_norm(net, 1), False)
        # A head without any does not undo what the backbone said.
        self._has_norms |= has_batch_norm(net)
        if self.mode == "shuffled":
            split_batch_norm(net, self._groups_here())
        elif self.mode == "sync" and world_size() > 1:
            sync_batch_norm(net, True)

    def encode_keys(self, encoder: Callable[[Tensor], Tensor], images: Tensor, seed: int) -> Tensor:
        """Features of the keys, shuffled between the groups on the way if need be.

        Args:
            encoder: makes ``(B, dim)`` features with the momentum backbone.
            images: ``(B, 3, H, W)``.
            seed: the same on all processes, another one each step.

        Returns:
            ``(B, dim)`` in the order of `images`.
        """
        groups = self._groups_here() * world_size() if self.mode == "shuffled" else 1
        if not self._has_norms or groups == 1:
            return encoder(images)
        mixed, order = shuffle(images, seed)
        return unshuffle(encoder(mixed), order)

    def _groups_here(self) -> int:
        if self.groups > world_size() and self.groups % world_size():
            raise ValueError(
                f"`batch_norm_groups`={self.groups} must divide by the {world_size()} processes"
            )
        return max(1, self.groups // world_size())
