"""What workers do with the signal that is meant for the run."""

from __future__ import annotations

import os
import signal


def leave_requeue_to_the_run(worker: int) -> None:
    """Lets a worker of a job of SLURM ignore the signal that announces the job's end.

    SLURM sends it to all processes of a task. A worker would end by it, and with it the run; or,
    forked with the handler of Lightning, write a checkpoint and begin the job again by itself.

    Args:
        worker: its number, which does not matter; as ``worker_init_fn`` is called.
    """
    if "SLURM_JOB_ID" in os.environ:
        for name in ("SIGUSR1", "SIGUSR2"):
            if hasattr(signal, name):  # Windows has none
                signal.signal(getattr(signal, name), signal.SIG_IGN)
