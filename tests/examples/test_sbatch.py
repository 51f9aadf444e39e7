"""The script for SLURM, as far as a machine without SLURM can tell."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from instdisc.cli.recipes import resolve_recipes

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "pretrain.sbatch"
TEXT = SCRIPT.read_text(encoding="utf-8")
# Of sbatch, as its manual names them.
SBATCH = {
    *("job-name", "nodes", "ntasks-per-node", "gpus-per-node", "cpus-per-task", "time", "signal"),
    *("requeue", "open-mode", "output"),
}
# Notes the words of its command: its own options first.
SRUN = '#!/bin/sh\nprintf "%s\\n" "$@" > "$WORDS"\n'
ON_CPU = ["--trainer.accelerator=cpu", "--trainer.precision=32-true", "--data.num_workers=0"]


def directives() -> dict[str, str]:
    lines = re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", TEXT, re.MULTILINE)
    assert len(lines) == TEXT.count("\n#SBATCH ")
    return dict(lines)


def commands() -> list[list[str]]:
    """Those that the head of the script shows, as words."""
    head = re.sub(r" \\\n#\s+", " ", TEXT)
    return [shlex.split(line) for line in re.findall(r"^#\s+(sbatch .*)$", head, re.MULTILINE)]


def environment(nodes: int) -> dict[str, str]:
    """What SLURM sets for the first task of the script."""
    of = directives()
    tasks = int(of["ntasks-per-node"])
    return {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NAME": of["job-name"],
        "SLURM_NNODES": str(nodes),
        "SLURM_NTASKS": str(nodes * tasks),
        "SLURM_NTASKS_PER_NODE": of["ntasks-per-node"],
        "SLURM_CPUS_PER_TASK": of["cpus-per-task"],
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": "0",
    }


def run_script(options: list[str], nodes: int, folder: Path) -> list[str]:
    """The words that srun gets."""
    srun = folder / "srun"
    srun.write_text(SRUN)
    srun.chmod(0o755)
    words = folder / "words"
    path = f"{folder}:{os.environ['PATH']}"
    variables = {**os.environ, **environment(nodes), "PATH": path, "WORDS": str(words)}
    subprocess.run(["bash", str(SCRIPT), *options], env=variables, check=True)
    return words.read_text().splitlines()


def test_it_is_a_script_of_sbatch():
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    of = directives()
    assert of.keys() <= SBATCH
    assert of["ntasks-per-node"] == of["gpus-per-node"]  # a task for each GPU
    assert of["signal"].startswith("USR1@")  # Lightning's, to the tasks, not to the shell (B:)
    assert "requeue" in of
    assert len(commands()) == 2


@pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")
@pytest.mark.parametrize("number", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_its_commands_are_shared_by_the_devices(number, tmp_path, monkeypatch, capsys):
    _, *words = commands()[number]
    nodes = int(directives()["nodes"])
    if words[0] == "--nodes":
        nodes, words = int(words[1]), words[2:]
    assert words[0] == "examples/pretrain.sbatch"
    srun = run_script(words[1:], nodes, tmp_path)
    start = srun.index("instdisc")
    assert srun[:start] == ["--cpus-per-task", "12", "--kill-on-bad-exit=1"]
    assert srun[start + 1] == "pretrain"
    options = srun[start + 2 :]
    assert resolve_recipes(options)
    assert options[-2:] == ["--ckpt_path", "last"]
    # As the first task would: what needs the GPUs and the images apart.
    for name, value in environment(nodes).items():
        monkeypatch.setenv(name, value)
    images = "--data.images={class_path: instdisc.Scenes, init_args: {num_images: 8}}"
    small = "--model.backbone.init_args.name=resnet18"
    root = f"--trainer.default_root_dir={tmp_path}"
    make_cli = importlib.import_module("instdisc.cli.pretrain").make_cli
    cli = make_cli([*options, *ON_CPU, images, small, root])
    assert cli.trainer.world_size == 8 * nodes
    assert f"{8 * nodes} device(s) x 1 part(s) x 32. Batch norm sees groups of 32" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("given", [[], ["IMAGES"]])
def test_folders_are_asked_for(given, tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        run_script(given, 2, tmp_path)
