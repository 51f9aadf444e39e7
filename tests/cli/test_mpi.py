"""A suite on the processes that ``mpiexec`` started."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from instdisc.records import read_records

MPIEXEC = Path(sys.executable).parent / "mpiexec"  # as the package mpich brings it


def test_a_process_that_imports_the_command_does_not_run_it(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["-m", "instdisc.cli", "transfer"])
    runpy.run_module("instdisc.cli.__main__", run_name="__worker__")
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_the_file_of_two_workers_is_that_of_none(tmp_path):
    pytest.importorskip("mpi4py")
    if not MPIEXEC.exists():
        pytest.skip("needs mpiexec beside python")
    for part in ("train", "test"):
        for color in ("red", "blue"):
            folder = tmp_path / "colors" / part / color
            folder.mkdir(parents=True)
            for side in (32, 40, 48):
                Image.new("RGB", (side, side), color).save(folder / f"{side}.png")
    options = [
        *("transfer", "--checkpoint", "random:test_resnet", "--data", str(tmp_path / "colors")),
        *("--tasks", "knn", "readout", "--image-size", "32", "--device", "cpu", "--out"),
    ]
    python = [sys.executable, "-m"]
    here = [*python, "instdisc.cli", *options, str(tmp_path / "here")]
    pool = [str(MPIEXEC), "-n", "3", *python, "mpi4py.futures", "-m", "instdisc.cli", *options]
    there = [*pool, str(tmp_path / "there"), "--executor", "mpi", "--workers", "2"]
    for command in (here, there):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    records = [
        sorted(
            (
                record._replace(date="", seconds=0.0)
                for record in read_records(tmp_path / folder / "results.jsonl")
            ),
            key=lambda record: (record.job, record.metric),
        )
        for folder in ("here", "there")
    ]
    assert records[0] == records[1]
    assert len(records[0]) > 1
