"""A run that SLURM is about to end, and begins anew later: it stops between two steps."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import torch
import torch.distributed
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.plugins.environments import SLURMEnvironment

from instdisc.distributed import world_size


def requeue_between_steps(trainer: Trainer) -> None:
    """Lets a run that gets SLURM's signal finish its batch; for ``on_train_start``.

    Lightning writes its checkpoint, ``hpc_ckpt_1.ckpt`` in the Trainer's ``default_root_dir``, and
    asks SLURM to begin the job again, in the midst of whatever the signal interrupts: a queue with
    the keys of a step that did not end, on each process at another step. Here the signal is noted;
    at the end of a batch the processes agree that one of them has got it, and all do then what
    Lightning would have done, and stop. The message in which they agree travels while the next
    batch is computed: nothing waits for it, on a GPU neither.

    Nothing is changed where no ``SLURMEnvironment`` of Lightning's asks for it, and where the
    signal has a handler of yours.

    Args:
        trainer: that begins to train; its training ends by `SystemExit` once it is requeued.
    """
    environment = trainer._accelerator_connector.cluster_environment
    if not isinstance(environment, SLURMEnvironment) or not environment.auto_requeue:
        return
    number = environment.requeue_signal
    if number is None or threading.current_thread() is not threading.main_thread():
        return  # where Lightning sets no handler either
    handler: Any = signal.getsignal(number)
    if not type(handler).__module__.startswith("pytorch_lightning."):
        return
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks[:] = [entry for entry in callbacks if not isinstance(entry, _Requeue)]
    requeue = _Requeue(number, handler)
    callbacks.append(requeue)
    signal.signal(number, requeue.note)  # until Lightning's teardown, which sets what was before


class _Requeue(Callback):
    def __init__(self, number: int, handler: Any) -> None:
        self._number, self._handler = number, handler
        self._process = os.getpid()
        self._noted = False
        # Of its own: its messages pass those of the step, and are in the memory of the host.
        several = world_size() > 1
        self._group: Any = torch.distributed.new_group(backend="gloo") if several else None
        self._sent: tuple[torch.Tensor, Any] | None = None

    def note(self, number: int, frame: Any) -> None:
        # SLURM signals the workers that load images, too, which a fork gave this handler.
        self._noted |= os.getpid() == self._process

    def on_train_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        if self._is_agreed():
            self._handler(self._number, None)
            # With the first process that ends, srun may end all, before the job is requeued.
            trainer.strategy.barrier("requeue")
            raise SystemExit("The run was written down for SLURM to begin it again.")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._receive()

    def _is_agreed(self) -> bool:
        """Whether a process had noted the signal, on all at the same batch."""
        if self._group is None:
            return self._noted
        agreed = self._receive()
        if not agreed:
            noted = torch.tensor(int(self._noted))
            maximum = torch.distributed.ReduceOp.MAX
            work = torch.distributed.all_reduce(noted, maximum, self._group, async_op=True)
            self._sent = noted, work
        return agreed

    def _receive(self) -> bool:
        """What was agreed on at the end of the batch before; ``False`` at the first."""
        if self._sent is None:
            return False
        noted, work = self._sent
        self._sent = None
        work.wait()
        return bool(noted)
