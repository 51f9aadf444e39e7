"""The script that says how an order by shards mixes images."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import pytest
import torch

FILE = Path(__file__).resolve().parents[2] / "examples" / "shard_order.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("example_shard_order", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_measured(script):
    options = argparse.Namespace(shards=3, images=4, batch=4, queue=4, batches=3)
    in_turn = torch.arange(12)
    # Each batch and each queue is a shard, and the queue another one than the batch.
    assert script.measure(in_turn, options) == ["1", "100.0%", "100.0%", "0.0%", "1"]
    mixed = torch.tensor([0, 4, 1, 5, 8, 2, 9, 6, 3, 7, 10, 11])
    # Shards 0101 2021 0122: 4, 2 and 2 of 12 pairs; with the queue 4 and 6 of 16.
    assert script.measure(mixed, options) == ["3", "22.2%", "33.3%", "31.2%", "2"]


def test_a_row_for_each_order(script, capsys):
    script.main(["--shards", "20", "--images", "30", "--windows", "4", "8", "--queue", "64"])
    rows = [
        line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if "|" in line
    ]
    assert [row for row in rows if row.startswith(("uniform", "window"))] == [
        "uniform",
        "window=4",
        "window=8",
    ]
