"""Batch norm in groups by torch's own batch norm, one group after another: the reference.

Legend: B batch, C channels, G groups.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from .tracked import tracked_statistics


def normalize_chunks(norm: _BatchNorm, inputs: Tensor, groups: int) -> Tensor:
    """Normalises equal parts of a batch apart; the running statistics see one after another.

    Args:
        norm: the layer: its parameters, running statistics, momentum and eps.
        inputs: ``(B, C)`` or ``(B, C, ...)``.
        groups: G, a divisor of B.

    Returns:
        Like `inputs`.
    """
    running_mean, running_var, counter = tracked_statistics(norm)
    seen = 0
    if counter is not None:
        if norm.momentum is None:
            seen = int(counter)
        counter.add_(groups)
    parts = [
        F.batch_norm(
            part,
            running_mean,
            running_var,
            norm.weight,
            norm.bias,
            training=True,
            momentum=1 / (seen + number) if norm.momentum is None else norm.momentum,
            eps=norm.eps,
        )
        for number, part in enumerate(inputs.chunk(groups), start=1)
    ]
    return torch.cat(parts)
