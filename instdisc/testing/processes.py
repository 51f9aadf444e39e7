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
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from instdisc import checks
from instdisc.methods import PretrainModule
from instdisc.methods.objectives import is_stored
from instdisc.types import Views

from .runs import fit

_STEPS = 2
_PRECISION: Any = "64-true"  # so that rounding cannot feign a difference
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def check_two_processes(modules: Sequence[PretrainModule], batches: Sequence[Views]) -> None:
    """Trains each module for two steps on one process, and on two (gloo) with half batches.

    In double precision, these must agree to rounding: the loss of the first step, on two processes
    the mean of theirs; its gradients, whatever the optimiser would make of them; and after both
    steps the parameters, queues, memory banks and other buffers of each process. Running statistics
    of batch norm are not compared: in groups, each process keeps those of its own half.

    With ``batch_norm="plain"`` each process normalises by its own half, and differs by design:
    such a module is compared with ``batch_norm="sync"``.

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
    for fault in faults_on_two_processes(modules, batches):
        if fault:
            raise AssertionError(fault)


def faults_on_two_processes(
    modules: Sequence[PretrainModule], batches: Sequence[Views]
) -> list[str]:
    """What `check_two_processes` finds, of each module; empty where the processes agree.

    Args:
        modules: as there.
        batches: as there.
    """
    batches, modules = list(batches)[:_STEPS], [_comparable(module) for module in modules]
    with tempfile.TemporaryDirectory() as folder:
        torch.save({"modules": modules, "batches": batches}, Path(folder) / "job.pt")
        multiprocessing.spawn(_run_rank, args=(folder, free_port()), nprocs=2)
        faults = []
        for number, module in enumerate(modules):
            expected = _train(module, batches)
            ranks = [torch.load(Path(folder) / f"{number}-{rank}.pt") for rank in range(2)]
            fault = _compare(expected, ranks)
            faults.append(f"{type(module).__name__}: on two processes {fault}" if fault else "")
    return faults


def _comparable(module: PretrainModule) -> PretrainModule:
    module = copy.deepcopy(module)
    if module.batch_norm.mode == "plain":
        module.batch_norm.mode = "sync"  # which is plain on one process
    return module


class _FirstStep(Callback):
    """Notes loss and gradients of the first step."""

    def __init__(self) -> None:
        self.noted: dict[str, Tensor] = {}

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Before the module's own hook, and before an optimiser that makes all of one length.
        if trainer.global_step == 0:
            for name, parameter in pl_module.named_parameters():
                if parameter.grad is not None:
                    self.noted[f"the gradient of {name}"] = parameter.grad.detach().clone()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        self.noted.setdefault("the loss", rest[0]["loss"].detach().clone())


def _train(module: PretrainModule, batches: Sequence[Views], **options: Any) -> dict[str, Tensor]:
    """What must agree, by name; what says most comes first."""
    first = _FirstStep()
    torch.manual_seed(0)
    fit(module, batches, first, precision=_PRECISION, **options)
    buffers = {
        name: buffer.clone()
        for name, buffer in module.named_buffers()
        if not name.endswith(_STATISTICS)
    }
    stored = {name: buffer for name, buffer in buffers.items() if is_stored(name)}
    parameters = {name: p.detach().clone() for name, p in module.named_parameters()}
    return {
        **stored,
        "the loss": first.noted.pop("the loss"),
        **first.noted,
        **buffers,
        **parameters,
    }


def _compare(expected: dict[str, Tensor], ranks: Sequence[dict[str, Tensor]]) -> str:
    """The first difference, as the end of a sentence; empty if there is none."""
    for name, tensor in expected.items():
        is_gradient = name.startswith("the gradient of ")
        if name == "the loss":
            mean = (ranks[0][name] + ranks[1][name]) / 2
            others, whose = [mean], ["of both, in the mean,"]
        else:
            others, whose = [rank[name] for rank in ranks], ["of rank 0", "of rank 1"]
        # A loss may compute in float32; of a bias before batch norm the gradient is rounding alone.
        rounding = 1e-9 + 1e-5 * float(tensor.abs().max()) if is_gradient else 1e-7
        for other, of_whom in zip(others, whose, strict=True):
            if torch.allclose(other, tensor, rtol=1e-5, atol=rounding):
                continue
            difference = float((other - tensor).abs().max())
            return (
                f"{name} {of_whom} differs by {difference:.2g} from one process with the same "
                f"global batch{_REMEDY if is_gradient or name == 'the loss' else ''}"
            )
    return ""


_REMEDY = (
    ". What is compared between images must come from all processes, by "
    "`instdisc.distributed.gather_with_gradient`, and a mean be over the images of this process or "
    "over all"
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
    halves = [_half(batch, rank) for batch in job["batches"]]
    for number, module in enumerate(job["modules"]):
        result = _train(module, halves, devices=2, strategy="ddp")
        torch.save(result, Path(folder) / f"{number}-{rank}.pt")


def _half(batch: Views, rank: int) -> Views:
    count = len(batch.labels) // 2
    rows = slice(rank * count, (rank + 1) * count)
    return Views([view[rows] for view in batch.images], batch.labels[rows], batch.indices[rows])


def free_port() -> int:
    """A port of this machine where two processes can meet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
