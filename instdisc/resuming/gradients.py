"""The gradient of a step that still accumulates, in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from instdisc.distributed import average


def read_gradients(module: LightningModule) -> dict[str, Tensor]:
    """The gradients so far by the names of their parameters; the mean over the processes."""
    gradients = {
        name: parameter.grad.detach().clone()
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
    average(gradients.values())
    return gradients


def set_gradients(module: LightningModule, gradients: Mapping[str, Tensor]) -> None:
    """Lets the next batches of a step add to gradients that were read."""
    for name, parameter in module.named_parameters():
        if name in gradients:
            parameter.grad = torch.empty_like(parameter).copy_(gradients[name])
