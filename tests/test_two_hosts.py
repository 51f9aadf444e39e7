"""Two hosts, each with an address of its own: network namespaces of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

# Two hosts with a cable between them. The rest of the words is run on both at once, with the number
# of the host and its network device.
HOSTS = """
set -eu
ip link set lo up
unshare -n sleep 600 & other=$!
trap 'kill $other' EXIT
while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add name cable0 type veth peer name cable1
ip link set cable1 netns $other
ip addr add 10.77.0.1/24 dev cable0
ip link set cable0 up
nsenter -t $other -n sh -c 'ip link set lo up; ip addr add 10.77.0.2/24 dev cable1; \
    ip link set cable1 up'
NODE_RANK=1 GLOO_SOCKET_IFNAME=cable1 nsenter -t $other -n "$@" & second=$!
NODE_RANK=0 GLOO_SOCKET_IFNAME=cable0 "$@"
wait $second
"""
CONFIG = """
model:
  class_path: instdisc.MoCoModule
  init_args: {backbone: test_resnet, queue_size: 32, batch_norm_groups: 2, learning_rate: 0.1}
data:
  images: {class_path: instdisc.Scenes, init_args: {num_images: 32, image_size: 32}}
  image_size: 32
  num_workers: 0
global_batch: 16
trainer:
  accelerator: cpu
  devices: 1
  max_epochs: 1
  log_every_n_steps: 1
  enable_progress_bar: false
  callbacks: {class_path: weights.Weights}
"""
WEIGHTS = """
import torch
from pytorch_lightning import Callback

class Weights(Callback):
    def on_train_end(self, trainer, pl_module):
        path = f"{trainer.default_root_dir}/weights-{trainer.global_rank}.pt"
        torch.save(pl_module.state_dict(), path)
"""
PRETRAIN = ["pretrain", "--config", "run.yaml", "--trainer.default_root_dir"]
TWO = ["--trainer.num_nodes", "2", "--trainer.strategy", "ddp"]
# As docs/scale.md shows them.
TORCHRUN = [
    *["sh", "-c"],
    "exec "
    + sys.executable
    + " -m torch.distributed.run --nnodes 2 --nproc_per_node 1 --node_rank $NODE_RANK"
    ' --master_addr 10.77.0.1 --master_port 29500 -m instdisc.cli "$@"',
    "torchrun",
]
LIGHTNING = [
    *["env", "MASTER_ADDR=10.77.0.1", "MASTER_PORT=29500"],
    *[sys.executable, "-m", "instdisc.cli"],
]


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    source = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    environment["PYTHONWARNINGS"] = "ignore"
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def on_hosts(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return run(["unshare", "-rn", "sh", "-c", HOSTS, "hosts", *words], folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the hosts meet, with the run of one process in `one`."""
    tmp_path = tmp_path_factory.mktemp("hosts")
    if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        pytest.skip("needs unshare, nsenter and ip (util-linux, iproute2)")
    tried = on_hosts(["true"], tmp_path)
    if tried.returncode:
        pytest.skip(f"this machine allows no network namespaces: {tried.stderr.strip()}")
    (tmp_path / "run.yaml").write_text(CONFIG)
    (tmp_path / "weights.py").write_text(WEIGHTS)
    alone = run([sys.executable, "-m", "instdisc.cli", *PRETRAIN, "one"], tmp_path)
    assert alone.returncode == 0, alone.stderr
    return tmp_path


@pytest.mark.parametrize("launcher", [TORCHRUN, LIGHTNING], ids=["torchrun", "lightning"])
def test_two_hosts_equal_one_process(launcher: list[str], folder: Path):
    root = folder / Path(launcher[0]).name  # of this launcher
    ended = on_hosts([*launcher, *PRETRAIN, str(root), *TWO], folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 device(s) x 1 part(s) x 8" in ended.stdout
    expected = torch.load(folder / "one" / "weights-0.pt")
    first, second = (torch.load(root / f"weights-{rank}.pt") for rank in range(2))
    assert first.keys() == second.keys() == expected.keys()
    for name, tensor in expected.items():
        if "running_" in name or "num_batches" in name:
            continue  # each host has those of its own groups
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], tensor, rtol=1e-4, atol=1e-6, msg=name)
    # Each image's key is in the queue, once.
    assert int(first["objectives.contrast.queue.pushed"]) == 32
