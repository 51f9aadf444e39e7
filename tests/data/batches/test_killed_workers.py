"""A worker that the system kills is named, and the next epoch begins with new ones."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from instdisc.data import Scenes, ViewDataset, ViewLoader, view_policy


def make_loader(num_workers=2, count=64):
    data = ViewDataset(Scenes(count, image_size=32), [view_policy("moco_v2", 16)] * 2)
    return ViewLoader(data, 4, num_workers=num_workers)


def kill_one():
    worker = multiprocessing.active_children()[-1]
    os.kill(worker.pid, signal.SIGKILL)
    return worker.pid


def test_the_error_names_the_worker_and_the_next_epoch_is_whole():
    loader = make_loader(count=256)  # more than a worker makes before it is killed
    batches = iter(loader)
    next(batches)
    pid = kill_one()
    # Where torch's handler of the signal speaks first, it names the worker, too.
    with pytest.raises(RuntimeError, match=rf"[Ww]orker.*\b{pid}\b"):
        list(batches)
    indices = torch.cat([batch[2] for batch in loader])
    assert sorted(indices.tolist()) == list(range(256))
    assert all(worker.pid != pid for worker in multiprocessing.active_children())


def test_a_worker_that_was_killed_between_two_epochs():
    loader = make_loader()
    list(loader)
    kill_one()
    with contextlib.suppress(RuntimeError):  # torch's handler of the signal may speak
        time.sleep(0.5)
    assert len(list(loader)) == 16


KILLED = """
import os, signal, sys
from tests.data.batches.test_killed_workers import make_loader
batches = iter(make_loader(count=4096))
next(batches)
import multiprocessing
print(*[worker.pid for worker in multiprocessing.active_children()], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_and_no_shared_memory():
    before = set(os.listdir("/dev/shm"))
    output = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True)
    assert output.returncode == -signal.SIGKILL
    workers = [int(pid) for pid in output.stdout.split()]
    assert len(workers) == 2
    end = time.monotonic() + 60  # they look for their parent every five seconds
    while any(map(is_alive, workers)) and time.monotonic() < end:
        time.sleep(0.5)
    assert not any(map(is_alive, workers))
    left = set(os.listdir("/dev/shm")) - before
    assert not [name for name in left if any(str(pid) in name for pid in workers)]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
