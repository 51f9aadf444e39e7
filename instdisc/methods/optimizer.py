"""The optimisers that pretraining offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

OptimizerName = Literal["sgd", "lars", "adamw"]


def make_optimizer(
    name: OptimizerName,
    parameters: Sequence[nn.Parameter],
    *,
    learning_rate: float,
    weight_decay: float,
    momentum: float,
) -> torch.optim.Optimizer:
    """An optimiser with the same weight decay on all parameters, as in both papers.

    Args:
        name: ``"sgd"``, ``"lars"`` (lightly's) or ``"adamw"``.
        parameters: what to train.
        learning_rate: base rate.
        weight_decay: L2 penalty (decoupled for AdamW).
        momentum: of SGD and LARS.
    """
    if name == "sgd":
        return torch.optim.SGD(
            parameters, learning_rate, momentum=momentum, weight_decay=weight_decay
        )
    if name == "adamw":
        return torch.optim.AdamW(parameters, learning_rate, weight_decay=weight_decay)
    from lightly.utils.lars import LARS  # imports hydra: only for those who want it

    optimizer: torch.optim.Optimizer = LARS(
        parameters, learning_rate, momentum=momentum, weight_decay=weight_decay
    )
    return optimizer


def check_optimizer(name: str, learning_rate: float) -> None:
    """Refuses what `make_optimizer` cannot make.

    Raises:
        ValueError: if `name` is unknown or `learning_rate` is not positive.
    """
    if name not in ("sgd", "lars", "adamw"):
        raise ValueError(f"`optimizer` must be 'sgd', 'lars' or 'adamw', got {name!r}")
    if not learning_rate > 0:
        raise ValueError(f"`learning_rate` must be positive, got {learning_rate}")
