"""Two processes must do what one does with the same global batch."""

from __future__ import annotations

import copy
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as multiprocessing
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from instdisc import checks
from instdisc.methods import PretrainModule
from instdisc.types import Views

from .runs import fit

_STEPS = 2
_PRECISION: Any = "64-true"  # so that rounding cannot feign a difference


def check_two_processes(modules: Sequence[PretrainModule], batches: Sequence[Views]) -> None:
    """Trains each module for two steps on one process, and on two (gloo) with half batches.

    In double precision, the parameters and all that is stored in buffers (queues, labels, centres)
    must agree to rounding. Running statistics of batch norm are not compared: on two processes each
    keeps those of its own half.

    With ``batch_norm="plain"`` a backbone with batch norm differs by design: each process
    normalises by its own half.

    The processes are started afresh, so a script that calls this needs the usual
    ``if __name__ == "__main__":``.

    Args:
        modules: untrained methods; they are copied, not changed.
        batches: at least two, of an even size.

    Raises:
        AssertionError: if a module's two processes disagree with its one.
    """
    checks.arguments(check_two_processes, locals())
    for number, batch in enumerate(batches):
        checks.instance(f"batches[{number}]", batch, Views, "Views")
    if not modules:
        checks.refuse("modules", "at least one method", modules)
    if len(batches) < _STEPS or any(len(batch.labels) % 2 for batch in batches):
        checks.refuse("batches", f"at least {_STEPS} of an even size", len(batches))
    batches = list(batches)[:_STEPS]
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.pt"
        torch.save({"modules": list(modules), "batches": batches}, job)
        multiprocessing.spawn(_run_rank, args=(folder, _free_port()), nprocs=2)
        for number, module in enumerate(modules):
            alone = copy.deepcopy(module)
            torch.manual_seed(0)
            fit(alone, batches, precision=_PRECISION)
            expected = _compared(alone)
            for rank in range(2):
                got: dict[str, Tensor] = torch.load(Path(folder) / f"{number}-{rank}.pt")
                for name, tensor in expected.items():
                    if torch.allclose(got[name], tensor, rtol=1e-6, atol=1e-9):
                        continue
                    difference = float((got[name] - tensor).abs().max())
                    raise AssertionError(
                        f"{type(module).__name__}: on two processes {name} of rank {rank} differs "
                        f"by {difference:.2g} from one process with the same global batch"
                    )


def _run_rank(rank: int, folder: str, port: int) -> None:
    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        WORLD_SIZE="2",
        NODE_RANK="0",
        LOCAL_RANK=str(rank),
        OMP_NUM_THREADS="1",
    )
    torch.set_num_threads(1)
    job: dict[str, Any] = torch.load(Path(folder) / "job.pt", weights_only=False)
    for number, module in enumerate(job["modules"]):
        halves = [_half(batch, rank) for batch in job["batches"]]
        torch.manual_seed(0)
        fit(module, halves, devices=2, strategy="ddp", precision=_PRECISION)
        torch.save(_compared(module), Path(folder) / f"{number}-{rank}.pt")


def _half(batch: Views, rank: int) -> Views:
    count = len(batch.labels) // 2
    rows = slice(rank * count, (rank + 1) * count)
    return Views([view[rows] for view in batch.images], batch.labels[rows], batch.indices[rows])


def _compared(module: PretrainModule) -> dict[str, Tensor]:
    parameters = {name: p.detach().clone() for name, p in module.named_parameters()}
    norms = [name for name, part in module.named_modules() if isinstance(part, _BatchNorm)]
    stored = {
        name: buffer.clone()
        for name, buffer in module.named_buffers()
        if name.rpartition(".")[0] not in norms
    }
    return {**stored, **parameters}  # queues first: they say most


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
