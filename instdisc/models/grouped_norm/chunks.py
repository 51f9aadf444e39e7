"""Batch norm in groups by torch's own batch norm, one group after another: the reference.

Legend: B batch, C channels, G groups.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


def normalize_chunks(norm: _BatchNorm, inputs: Tensor, groups: int) -> Tensor:
    """Normalises equal parts of a batch apart; the running statistics see one after another.

    Args:
        norm: the layer: its parameters, running statistics, momentum and eps.
        inputs: ``(B, C)`` or ``(B, C, ...)``.
        groups: G, a divisor of B.

    Returns:
        Like `inputs`.
    """
    seen = 0
    if norm.track_running_stats and norm.num_batches_tracked is not None:
        if norm.momentum is None:
            seen = int(norm.num_batches_tracked)
        norm.num_batches_tracked.add_(groups)
    parts = [
        F.batch_norm(
            part,
            norm.running_mean if norm.track_running_stats else None,
            norm.running_var if norm.track_running_stats else None,
            norm.weight,
            norm.bias,
            training=True,
            momentum=1 / (seen + number) if norm.momentum is None else norm.momentum,
            eps=norm.eps,
        )
        for number, part in enumerate(inputs.chunk(groups), start=1)
    ]
    return torch.cat(parts)
