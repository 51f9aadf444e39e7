"""What the processes tell each other: as computed, and as counted on two of them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import os
import subprocess
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
SCRIPT = EXAMPLES / "communication.py"
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


@pytest.fixture
def script(monkeypatch, communication):
    spec = importlib.util.spec_from_file_location("communication_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_seconds_of_a_message(script, communication):
    inside, between = script.Link(100.0, 0.1), script.Link(20.0, 0.5)
    cluster = script.Cluster(inside, between, node=4)

    def seconds(kind, processes):
        return cluster.seconds(communication.Message("", kind, 400), processes)

    assert seconds("all_reduce", 1) == 0
    # Within a node: 2 (W - 1) (n / (W r) + d), (W - 1) (n / r + d).
    assert seconds("all_reduce", 4) == pytest.approx(2 * 3 * (400 / 4 / 100 + 0.1))
    assert seconds("all_gather", 4) == pytest.approx(3 * (400 / 100 + 0.1))
    assert seconds("all_to_all", 4) == pytest.approx(400 * 3 / 4 / 100 + 3 * 0.1)
    # Between two: at the rate of the slower link, of 7 hops one by it.
    assert seconds("all_reduce", 8) == pytest.approx(2 * (7 * 400 / 8 / 20 + 6 * 0.1 + 0.5))
    assert seconds("all_to_all", 8) == pytest.approx(4 * 400 / 2 / 20 + 6 * 0.1 + 0.5)


def test_gradients_hide_behind_the_backward_pass(script, communication):
    link = script.Link(2**20, 0.0)  # a MiB a second
    cluster = script.Cluster(link, link)
    message = communication.Message("gradients", "all_reduce", 100 * 2**20)  # 25 of them last
    for computed, hidden in ((1000.0, 75.0), (100.0, 50.0)):
        step = script.model_step([message], cluster, 2, computed=computed)
        assert (step.hidden, step.waited) == pytest.approx((hidden, 100 - hidden))
        assert step.efficiency == pytest.approx(computed / (computed + 100 - hidden))
    assert script.model_step([message], cluster, 2, computed=9.0, backward=0).waited == 100


def test_the_script_lists_each_method_and_the_model(script, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("rich._console", None)  # one that was made before has its width already
    script.main(["--backbone", "test_resnet", "--images", "4"])
    shown = capsys.readouterr().out
    assert all(method in shown for method in script.METHODS)
    script.main(["--backbone", "test_resnet", "--efficiency", "75.7"])
    shown = capsys.readouterr().out
    assert "100%  (75.7 ms)" in shown
    assert "400 Gb/s" in shown


@pytest.mark.slow
def test_the_script_times_two_processes():
    words = [
        "--check",
        "--backbone",
        "test_resnet",
        "--size",
        "32",
        "--images",
        "4",
        "--steps",
        "3",
    ]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), *words],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "ms on paper and" in ended.stdout
