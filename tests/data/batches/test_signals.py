"""Workers of a job of SLURM, which get the signal that is meant for the run."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from instdisc.data import Scenes, ViewDataset, ViewLoader, view_policy


class Signalled(Scenes):
    """Images at whose reading the process is signalled."""

    def read(self, index: int) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGUSR1)
        return super().read(index)


@pytest.mark.parametrize("raw", [False, True])  # made in pieces, or not
def test_workers_leave_it_to_the_run(raw: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    before = signal.getsignal(signal.SIGUSR1)
    data = ViewDataset(Signalled(8, image_size=32), [view_policy("moco_v2", 16)])
    batches = list(ViewLoader(data, 4, num_workers=1, raw=raw))
    assert sorted(torch.cat([batch.indices for batch in batches]).tolist()) == list(range(8))
    assert signal.getsignal(signal.SIGUSR1) is before


def test_without_slurm_a_worker_ends_by_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    data = ViewDataset(Signalled(8, image_size=32), [view_policy("moco_v2", 16)])
    with pytest.raises(RuntimeError, match="a worker of the data loader ended"):
        list(ViewLoader(data, 4, num_workers=1))
