"""What a batch norm keeps of the batches it has seen."""

from __future__ import annotations

from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm


def tracked_statistics(norm: _BatchNorm) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Running mean, running variance and number of batches; nothing where none are kept."""
    averages_unknown_number = norm.momentum is None and norm.num_batches_tracked is None
    if not norm.track_running_stats or averages_unknown_number:  # as torch
        return None, None, None
    return norm.running_mean, norm.running_var, norm.num_batches_tracked
