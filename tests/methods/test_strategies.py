"""Which strategies of Lightning's a method trains with, and which it refuses before all else."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
    StrategyRegistry,
)

import instdisc
from instdisc.testing.runs import fit, make_batches
from instdisc.types import Views


# Lightning refuses its own classes without GPUs or the package; not those that inherit.
class Sharded(FSDPStrategy):
    pass


class Spread(ModelParallelStrategy):
    pass


class Speedy(DeepSpeedStrategy):
    """Without the package, for which the constructor asks."""

    def __init__(self) -> None:
        DDPStrategy.__init__(self)


REFUSED = [(Sharded, "flat piece"), (Spread, "FSDP2"), (Speedy, "DeepSpeed's engine")]
IDS = ["fsdp", "model_parallel", "deepspeed"]


def moco() -> instdisc.MoCoModule:
    torch.manual_seed(0)
    return instdisc.MoCoModule("test_resnet", queue_size=16, batch_norm_groups=2)


class Watcher(Callback):
    """Notes whether anything of a run was set up."""

    def __init__(self) -> None:
        self.begun = False

    def setup(self, *_: object) -> None:
        self.begun = True


@pytest.mark.parametrize(("strategy", "reason"), REFUSED, ids=IDS)
def test_sharding_is_refused_before_anything_is_made(strategy: type, reason: str):
    watcher, batches = Watcher(), make_batches(1, 4, 16)
    with pytest.raises(ValueError, match=rf"`strategy` must be \"ddp\" in one.*{reason}.*momentum"):
        fit(moco(), batches, watcher, strategy=strategy())
    assert not watcher.begun
    assert not torch.distributed.is_initialized()


def test_a_subclass_with_callbacks_of_its_own_is_refused_too(monkeypatch: pytest.MonkeyPatch):
    class Own(instdisc.MoCoModule):
        def configure_callbacks(self) -> list[Callback]:
            return []

    monkeypatch.setattr(Sharded, "setup_environment", lambda self: None)
    monkeypatch.setattr(Sharded, "barrier", lambda self, *_: None)
    with pytest.raises(ValueError, match="`strategy` must be"):
        fit(Own("test_resnet", queue_size=16), make_batches(1, 4, 16), strategy=Sharded())


def test_every_name_of_lightning_is_taken_or_refused():
    """A strategy that a newer Lightning brings must be thought of."""
    refused = FSDPStrategy, DeepSpeedStrategy
    for name in StrategyRegistry.available_strategies():
        kind = StrategyRegistry[name]["strategy"]
        assert issubclass(kind, refused) == name.startswith(("fsdp", "deepspeed"))
        assert issubclass(kind, refused) or name.startswith(("ddp", "single_", "xla"))


class Half(instdisc.MoCoModule):
    """Sees on each of two processes its half of every batch."""

    def on_before_batch_transfer(self, batch: Views, dataloader_idx: int) -> Views:
        count = len(batch.labels) // instdisc.distributed.world_size()
        rows = slice(instdisc.distributed.rank() * count, (instdisc.distributed.rank() + 1) * count)
        images = [view[rows] for view in batch.images]
        return batch._replace(images=images, labels=batch.labels[rows], indices=batch.indices[rows])


def train(**options: object) -> dict[str, torch.Tensor]:
    """What two steps make, but for statistics, of which each process has its own."""
    torch.manual_seed(0)
    module = Half("test_resnet", queue_size=16, batch_norm_groups=2)
    fit(module, make_batches(2, 4, 16), precision="64-true", **options)
    state = module.state_dict()
    return {name: state[name] for name in state if "running_" not in name and "num_b" not in name}


def train_on_rank(rank: int, port: int, strategy: str, folder: Path) -> None:
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE="2", NODE_RANK="0",
        LOCAL_RANK=str(rank),
    )  # fmt: skip
    torch.save(train(devices=2, strategy=strategy), folder / f"{rank}.pt")


def on_two_processes(strategy: str, folder: Path) -> dict[str, torch.Tensor]:
    """The first process's weights; forms that start the script anew get it as from torchrun."""
    if StrategyRegistry[strategy]["init_params"]["start_method"] != "popen":
        return train(devices=2, strategy=strategy)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    ranks = [
        fork.Process(target=train_on_rank, args=(rank, port, strategy, folder)) for rank in range(2)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
        assert process.exitcode == 0
    return torch.load(folder / "0.pt")


@pytest.mark.parametrize(
    "strategy",
    [
        "ddp_notebook",
        "ddp_find_unused_parameters_true",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("ddp", "ddp_spawn", "ddp_fork", "ddp_find_unused_parameters_false")
        ),
    ],
)
def test_forms_of_ddp_equal_one_process(
    strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("MASTER_ADDR", "MASTER_PORT"):  # of forms that choose them
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    expected, found = train(), on_two_processes(strategy, tmp_path)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-6, atol=1e-9, msg=name)


def test_processes_that_begin_with_one_memory_take_the_queue_apart():
    # As `ddp_spawn` hands it over: each process would push into the queue of both.
    module = moco()
    queue = module.objectives["contrast"].queue
    queue.share_memory()
    fit(module, make_batches(1, 4, 16))
    assert not any(buffer.is_shared() for buffer in queue.buffers())
    assert int(queue.pushed) == 4
