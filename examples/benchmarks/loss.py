"""Rows of the benchmark: the loss over a long queue, and the momentum update."""

import argparse
import copy
from collections.abc import Callable
from typing import Any

import torch
from lightly.loss import NTXentLoss
from lightly.models.utils import update_momentum
from torch.nn import functional as F

import instdisc
from instdisc.losses import ContrastiveLoss, ExemplarLoss, InstanceDiscriminationLoss, SupConLoss
from instdisc.losses.products import Products
from instdisc.losses.sweep import slices
from instdisc.models import FeatureQueue

Contenders = dict[str, Callable[[], Any]]
_DIM, _TEMPERATURE = 128, 0.2


def row(options: argparse.Namespace, batch: int, queue: str) -> Contenders:
    """`losses` with a queue whose length is that option."""
    return losses(options, batch, getattr(options, queue))


def losses(
    options: argparse.Namespace, batch: int, length: int, *, num_classes: int = 1000
) -> Contenders:
    """Loss, its backward pass and the enqueueing of the keys."""
    device = options.device
    query = F.normalize(torch.randn(batch, _DIM, device=device), dim=1)
    key = F.normalize(torch.randn(batch, _DIM, device=device), dim=1)
    labels = torch.randint(num_classes, (batch,), device=device)
    lightlys = NTXentLoss(_TEMPERATURE, memory_bank_size=(length, _DIM)).to(device)
    queues = {
        dtype: FeatureQueue(length, _DIM, dtype=dtype).to(device)
        for dtype in (torch.float32, torch.bfloat16)
    }
    for queue in queues.values():
        queue.labels.random_(num_classes)

    def lightly() -> None:
        leaf = query.clone().requires_grad_()
        lightlys(leaf, key).backward()

    def ours(loss: ContrastiveLoss, dtype: torch.dtype = torch.float32) -> Callable[[], None]:
        def call() -> None:
            leaf = query.clone().requires_grad_()
            loss(leaf, key, queues[dtype].bank(), labels).backward()
            queues[dtype].push(key, labels)

        return call

    def plain_products() -> None:
        features = queues[torch.float32].features
        weights = query @ features.T
        weights @ features

    def products() -> None:
        bank = queues[torch.float32].bank()
        ours, total = Products(query, torch.float32), torch.zeros_like(query)
        for keys, _ in slices(bank, batch):
            ours.load(keys)
            ours.add_weighted(total, ours.scores())

    exemplar = ExemplarLoss(_TEMPERATURE)
    return {
        "lightly: NTXentLoss, no class rule": lightly,
        "ours: InstanceDiscriminationLoss": ours(InstanceDiscriminationLoss(_TEMPERATURE)),
        "ours: ExemplarLoss": ours(exemplar),
        "ours: SupConLoss": ours(SupConLoss(_TEMPERATURE)),
        "ours: ExemplarLoss, bfloat16 bank": ours(exemplar, torch.bfloat16),
        "plain PyTorch: two matrix products, no loss": plain_products,
        "limit: the two products in slices": products,
    }


def momentum(options: argparse.Namespace) -> Contenders:
    """One step of the slow encoder towards the fast one."""
    backbone = instdisc.Backbone("resnet50").to(options.device)
    slow = copy.deepcopy(backbone)
    ours = instdisc.MomentumEncoder(backbone)
    return {
        "lightly: update_momentum": lambda: update_momentum(backbone, slow, 0.999),
        "ours: MomentumEncoder.update": lambda: ours.update(backbone),
    }
