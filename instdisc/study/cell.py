"""One cell: a pretraining, and what its backbone is worth on the targets of a round."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from instdisc.checkpoint import load_backbone
from instdisc.transfer import TASKS, Missing, run_suite

from .budget import Budget
from .preset import Preset, Suite
from .pretraining import all_threads, pretrain
from .rates import chosen_rate
from .sources import SourceImages, open_sets
from .stamp import stamp
from .store import Store, committed
from .work import Cell


def run_cell(
    preset: Preset,
    cell: Cell,
    source: SourceImages,
    *,
    data_root: Path,
    out: Path,
    store: Store,
    device: str | torch.device,
    budget: Budget,
) -> list[Missing]:
    """Pretrains, unless the checkpoint is there, and measures.

    Returns:
        What has no result; the cell is finished if there is nothing.

    Raises:
        BudgetSpent: between two epochs or two tasks.
        RuntimeError: if a checkpoint that was made again is not the same as before.
    """
    rate = chosen_rate(preset, cell.method, store.trials())
    run = pretrain(
        preset,
        cell.method,
        seed=cell.seed,
        learning_rate=rate,
        epochs=preset.epochs,
        images=source.train,
        folder=out / "cells" / cell.name,
        budget=budget,
    )
    weights = load_backbone(run.path).about().weights
    _check_same(store, cell, weights)
    seconds: dict[str, float] = {}
    resumed: set[str] = set()
    missing: list[Missing] = []
    with all_threads(preset.threads):
        for suite in cell.round.suites:
            sets = open_sets(preset, suite, data_root, source)
            for task in suite.tasks:
                budget.check()
                start = time.perf_counter()
                began = datetime.now(timezone.utc).replace(microsecond=0)
                result = run_suite(
                    {cell.method: run.path},
                    sets,
                    tasks=[task],
                    options=options_of(task, suite),
                    data_root=data_root,
                    results=out / "results.jsonl",
                    cache=out / "features" / cell.name,
                    image_size=preset.image_size,
                    device=device,
                    keep=suite.keep,
                    thumbnails=False,
                    seed=cell.seed,
                    progress=False,
                )
                took = time.perf_counter() - start
                seconds[task] = round(seconds.get(task, 0.0) + took, 1)
                if any(datetime.fromisoformat(row.date) < began for row in result):
                    resumed.add(task)  # some of it was there already
                missing += result.missing
                kept = (committed(row, cell=cell.name, metrics=suite.metrics) for row in result)
                store.add_records([row for row in kept if row is not None])
    if not missing:
        made = {
            "method": cell.method,
            "seed": cell.seed,
            "round": cell.round.name,
            "weights": weights,
            "learning_rate": rate,
            "steps": run.steps,
            "loss": run.loss,
            "pretraining_seconds": round(run.seconds, 1),
            "seconds": {task: took for task, took in seconds.items() if task not in resumed},
            "resumed": sorted(resumed),
        }
        store.add_cell({**made, **stamp(preset.name)})
    return missing


def options_of(task: str, suite: Suite) -> dict[str, dict[str, Any]]:
    """Of the task, and of that whose predictions it takes."""
    names = {task, TASKS[task].after}
    return {name: dict(chosen) for name, chosen in suite.options.items() if name in names}


def _check_same(store: Store, cell: Cell, weights: str) -> None:
    """A checkpoint that was made again is the one whose records are there."""
    for row in store.cells():
        if (row["method"], row["seed"]) == (cell.method, cell.seed) and row["weights"] != weights:
            raise RuntimeError(
                f"the weights of {cell.name} are {weights}, its records are of {row['weights']}, "
                f"made at commit {row['commit']} with {row['versions']} on {row['machine']}: use "
                f"another folder of records, or that version and machine"
            )
