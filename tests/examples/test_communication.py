"""What the processes tell each other: as computed, and as counted on two of them."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import sys
import warnings
from collections import Counter
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback
from torch.utils._python_dispatch import TorchDispatchMode

import instdisc
from instdisc.testing.runs import fit, make_batches

from ..processes import run_on_processes

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL = {"hidden_dim": 32, "projection_dim": 16}
QUEUE = {"queue_size": 16, "batch_norm_groups": 2}
LABELLED = {"num_classes": 4}
IMAGES, VIEWS = 4, [16, 16]


def vit():
    return instdisc.Backbone("test_vit", img_size=16)


def main_methods():
    """One of each sort, small; on a ViT where the statistics of many norms would take long."""
    net = "test_resnet"
    return {
        "moco": instdisc.MoCoModule(net, **QUEUE),
        "supcon": instdisc.SupConModule(net, **QUEUE),
        "simclr": instdisc.SimCLRModule(net, hidden_dim=32, projection_dim=16),
        "byol": instdisc.BYOLModule(vit(), **SMALL),
        "dino": instdisc.DINOModule(vit(), num_views=2, hidden_dim=32, num_prototypes=64),
        "cross-entropy": instdisc.SupervisedModule(net, **LABELLED),
    }


def other_methods():
    net = "test_resnet"
    return {
        "moco sync": instdisc.MoCoModule(net, queue_size=16, batch_norm="sync"),
        "exemplar": instdisc.ExemplarModule(net, **QUEUE),
        "cross-entropy and moco": instdisc.CrossEntropyMoCoModule(net, **LABELLED, **QUEUE),
        "cross-entropy and supcon": instdisc.CrossEntropySupConModule(net, **LABELLED, **QUEUE),
        "supcon and moco": instdisc.SupConMoCoModule(net, **QUEUE),
        "instdisc": instdisc.InstDiscModule(net, num_images=12),
        "supcon in batch": instdisc.InBatchSupConModule(net),
        "exemplar in batch": instdisc.InBatchExemplarModule(net),
        "byol": instdisc.BYOLModule(net, **SMALL),
        "simsiam": instdisc.SimSiamModule(net, projection_dim=16, bottleneck_dim=8),
        "moco v3": instdisc.MoCoV3Module(net, **SMALL),
        "moco v3 of a ViT": instdisc.MoCoV3Module(vit(), **SMALL),
        "nnclr": instdisc.NNCLRModule(net, **SMALL, queue_size=16),
        "barlow twins": instdisc.BarlowTwinsModule(net, hidden_dim=32, projection_dim=16),
        "vicreg": instdisc.VICRegModule(net, hidden_dim=32, projection_dim=16),
        "dino": instdisc.DINOModule(net, num_views=2, hidden_dim=32, num_prototypes=64),
    }


class Collectives(TorchDispatchMode):
    """Counts the bytes handed to each kind of collective, those of DDP's reducer too."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "c10d":
            name = func.__name__.partition(".")[0]
            kind = {"allreduce_": "all_reduce", "allgather_": "all_gather"}
            kind["alltoall_base_"] = "all_to_all"
            tensors = args[name in ("allgather_", "alltoall_base_")]  # whose first is the output
            tensors = [tensors] if isinstance(tensors, torch.Tensor) else tensors
            self.counted[kind.get(name, name.rstrip("_"))] += sum(
                tensor.numel() * tensor.element_size() for tensor in tensors
            )
        return func(*args, **(kwargs or {}))


class ThirdStep(Callback):
    """Counts in the third step: after the second, DDP has settled its buckets."""

    def __init__(self) -> None:
        self.collectives = Collectives()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if batch_idx == 1:
            self.collectives.__enter__()
        elif batch_idx == 2:
            self.collectives.__exit__(None, None, None)


def count(methods, rank):
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT="1", WORLD_SIZE="2", NODE_RANK="0",
        LOCAL_RANK=str(rank),
    )  # fmt: skip
    counted = {}
    for name, module in methods().items():
        step = ThirdStep()
        fit(module, make_batches(3, IMAGES, 16), step, devices=2, strategy="ddp")
        counted[name] = dict(step.collectives.counted)
    return counted


@pytest.fixture
def communication(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module("benchmarks.communication")
    for name in [name for name in sys.modules if name.startswith("benchmarks")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "methods", [main_methods, pytest.param(other_methods, marks=pytest.mark.slow)]
)
def test_computed_is_what_two_processes_hand_over(methods, communication, tmp_path):
    counted, other = run_on_processes(functools.partial(count, methods), tmp_path)
    assert counted == other
    for name, module in methods().items():
        messages = communication.step_messages(module, VIEWS, images=IMAGES, processes=2, gpu=False)
        computed = Counter()
        for message in messages:
            computed[message.kind] += message.num_bytes
        assert dict(computed) == counted[name], name


def test_what_a_process_sends(communication):
    def sent(kind, processes):
        return communication.Message("", kind, 12).sent(processes)

    assert [sent("all_reduce", n) for n in (1, 2, 3)] == [0, 12, 16]
    assert [sent("all_gather", n) for n in (1, 2, 3)] == [0, 12, 24]
    assert [sent("all_to_all", n) for n in (1, 2, 3)] == [0, 6, 8]
    assert sent("broadcast", 3) == 12
    alone = communication.step_messages(main_methods()["moco"], VIEWS, images=4, processes=1)
    assert alone == []
