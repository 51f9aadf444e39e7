"""A job of SLURM that is told of its end, is requeued and goes on: as if nothing had been."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import warnings

import pytest
import torch
from pytorch_lightning import Callback

import instdisc
from instdisc.checkpoint import newest_checkpoint
from instdisc.cli.main import main
from instdisc.testing.runs import fit, make_batches

CONFIG = """
model:
  class_path: instdisc.MoCoModule
  init_args:
    backbone:
      class_path: instdisc.Backbone
      init_args: {name: test_vit}
      dict_kwargs: {img_size: 32, drop_path_rate: 0.5}  # draws in each step
    queue_size: 32
    optimizer: adamw
data:
  images: {class_path: instdisc.Scenes, init_args: {num_images: 24, image_size: 32}}
  image_size: 32
  num_workers: 0
global_batch: 4
trainer: {accelerator: cpu, max_epochs: 2, log_every_n_steps: 1, enable_progress_bar: false}
"""
SLURM = {
    "SLURM_JOB_ID": "4711",
    "SLURM_JOB_NAME": "pretrain",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_NNODES": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


def work(words, environment, signal_at, output):
    """The command in a process of its own; the signal comes between loss and gradients."""
    os.environ.update(environment)
    file = os.open(output, os.O_CREAT | os.O_WRONLY)
    sys.stdout = sys.stderr = os.fdopen(file, "w", buffering=1)
    warnings.simplefilter("ignore")
    backward = instdisc.MoCoModule.backward

    def interrupted(self, loss):
        if self.trainer.global_step == signal_at:
            os.kill(os.getpid(), signal.SIGUSR1)
        backward(self, loss)

    instdisc.MoCoModule.backward = interrupted
    sys.exit(main(words))


@pytest.fixture
def job(tmp_path):
    """Starts the command in a folder of its own, as SLURM would, and waits for its end."""
    tools = tmp_path / "tools"
    tools.mkdir()
    scontrol = tools / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/requeued\n')
    scontrol.chmod(0o755)
    (tmp_path / "run.yaml").write_text(CONFIG)

    def start(name, *options, signal_at=-1, tasks=1):
        root = tmp_path / name
        words = ["pretrain", f"--config={tmp_path / 'run.yaml'}"]
        words += [f"--trainer.default_root_dir={root}", f"--trainer.devices={tasks}"]
        words += ["--ckpt_path=last", *options]
        path = f"{tools}:{os.environ['PATH']}"
        environment = {**SLURM, "SLURM_NTASKS": str(tasks), "PATH": path}
        environment["SLURM_NTASKS_PER_NODE"] = str(tasks)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            environment["MASTER_PORT"] = str(probe.getsockname()[1])
        ranks = []
        for rank in range(tasks):
            of_rank = {**environment, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}
            at = signal_at if rank == tasks - 1 else -1
            arguments = words, of_rank, at, tmp_path / f"output-{rank}"
            ranks.append(multiprocessing.get_context("fork").Process(target=work, args=arguments))
        for process in ranks:
            process.start()
        for process in ranks:
            process.join(120)
            process.kill()
        codes = {process.exitcode for process in ranks}
        return root, codes, (tmp_path / "output-0").read_text()

    return start


def last(root):
    return torch.load(newest_checkpoint(root / "checkpoints", root=root), weights_only=True)


def assert_same_end(root, expected):
    found, expected = last(root), last(expected)
    assert found["global_step"] == expected["global_step"] == 12
    assert found["state_dict"].keys() == expected["state_dict"].keys()
    for name, tensor in expected["state_dict"].items():
        assert torch.equal(found["state_dict"][name], tensor), name
    for before, after in zip(
        expected["optimizer_states"][0]["state"].values(),
        found["optimizer_states"][0]["state"].values(),
        strict=True,
    ):
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_requeued_run_ends_bit_for_bit_as_one_that_was_not(job, tmp_path):
    whole, codes, output = job("whole")
    assert codes == {0}, output
    root, codes, output = job("run", signal_at=3)
    assert codes == {130}, output
    assert "--ckpt_path last goes on" in output
    assert (tmp_path / "requeued").read_text() == "requeue 4711\n"
    # The step in which the signal came is whole: its keys, and its update.
    assert last(root)["global_step"] == 4
    assert not (root / "checkpoints").exists()
    assert not list(root.rglob("backbone.safetensors"))
    # Without --ckpt_path last Lightning would load the file without a word.
    _, codes, output = job("run", "--ckpt_path=null")
    assert codes == {2}
    assert f"{root} holds the checkpoints of a run already" in " ".join(output.split())
    root, codes, output = job("run", signal_at=4)
    assert codes == {130}, output
    assert f"Going on from {root / 'hpc_ckpt_1.ckpt'}" in output
    assert last(root)["global_step"] == 5
    root, codes, output = job("run")
    assert codes == {0}, output
    assert f"Going on from {root / 'hpc_ckpt_2.ckpt'}" in output
    assert_same_end(root, whole)
    # Nothing is left of what was written for SLURM, nor of the first epoch.
    assert not list(root.glob("hpc*"))
    assert sorted(path.name for path in (root / "checkpoints").iterdir()) == [
        *["backbone.safetensors", "epoch=1-step=12.ckpt", "last.ckpt"]
    ]


# Several processes draw their own numbers, which no checkpoint keeps.
PLAIN = "--model.backbone.dict_kwargs.drop_path_rate=0"


@pytest.mark.slow
def test_tasks_stop_at_one_step_whichever_gets_the_signal(job, tmp_path):
    whole, codes, output = job("whole", PLAIN, tasks=2)
    assert codes == {0}, output
    root, codes, output = job("run", PLAIN, tasks=2, signal_at=3)
    assert codes == {130}, output
    assert (tmp_path / "requeued").read_text() == "requeue 4711\n"  # by one of them
    assert last(root)["global_step"] == 5  # they hear of it a step later
    root, codes, output = job("run", PLAIN, tasks=2)
    assert codes == {0}, output
    assert_same_end(root, whole)


def test_without_slurm_the_signal_is_what_it_was():
    handler = signal.getsignal(signal.SIGUSR1)
    seen = []

    class Look(Callback):
        def on_train_batch_end(self, *_):
            seen.append(signal.getsignal(signal.SIGUSR1))

    module = instdisc.MoCoModule("test_resnet", queue_size=8, batch_norm_groups=1)
    fit(module, make_batches(1, 4, 16), Look())
    assert seen == [handler]


def test_a_handler_of_the_users_stays(monkeypatch):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    noted = []
    before = signal.signal(signal.SIGUSR1, lambda *_: noted.append(1))

    class Signal(Callback):
        def on_train_batch_start(self, *_):
            os.kill(os.getpid(), signal.SIGUSR1)

    module = instdisc.MoCoModule("test_resnet", queue_size=8, batch_norm_groups=1)
    try:
        trainer = fit(module, make_batches(2, 4, 16), Signal())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert noted == [1, 1]
    assert trainer.global_step == 2
