"""Runs what a study has to do, piece by piece; whatever is there is not run again."""

from __future__ import annotations

import logging
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from instdisc.checkpoint import load_backbone
from instdisc.checks import checked_call, positive, whole
from instdisc.transfer import TASKS, Missing, run_suite
from instdisc.version import __version__

from .preset import Preset, Suite
from .pretraining import Pretrained, all_threads, pretrain
from .rates import chosen_rate, try_rate
from .sources import SourceImages, open_sets, open_source
from .store import Store, committed
from .work import Cell, Trial, cells_left, trials_left

_log = logging.getLogger(__name__)


@checked_call(budget=positive, most=whole)
def run_study(
    preset: Preset,
    *,
    data_root: str | Path = "data",
    out: str | Path = "runs/study",
    records: str | Path = "docs/study",
    budget: float | None = None,
    most: int | None = None,
    device: str | torch.device = "cpu",
    tell: Callable[[str], object] = print,
) -> list[Missing]:
    """Runs trials of learning rates, then cells, until all is there or the budget is spent.

    A cell is a pretraining with its targets. Several processes may run one study in one folder:
    each piece is taken by one of them. A process that is killed loses the piece that it was at,
    but for the finished epochs of its pretraining and the finished tasks of its suite.

    Args:
        preset: see `read_preset`.
        data_root: the folder that holds the sets.
        out: gets checkpoints, features and predictions, in a folder of the preset's name.
        records: gets the records, ``NAME.jsonl``, ``NAME_cells.jsonl``, ``NAME_rates.jsonl``.
        budget: seconds; no piece is begun that would, as the longest of its kind until now, take
            longer than what is left. ``None``: no limit.
        most: pieces at most; ``None``: no limit.
        device: where to compute.
        tell: called with a line for each piece.

    Returns:
        What was asked for and has no result; the cell is then not finished, and is tried again by
        the next call.

    Raises:
        FileNotFoundError: if the set of the pretraining is not there.
        RuntimeError: if a checkpoint that was made again is not the same as before.
    """
    out = Path(out) / preset.name
    store = Store(Path(records), preset.name)
    source = open_source(preset, Path(data_root))
    end = None if budget is None else time.monotonic() + budget
    missing: list[Missing] = []
    longest = {Trial: 0.0, Cell: 0.0}
    failed: set[str] = set()
    pieces = 0
    while most is None or pieces < most:
        with _next_piece(preset, store, out, failed) as piece:
            if piece is None:
                break
            if end is not None and time.monotonic() + longest[type(piece)] > end:
                tell("the budget is spent")
                break
            start = time.monotonic()
            if isinstance(piece, Trial):
                trial = try_rate(
                    preset, piece.method, piece.rate, source, out / "rates" / piece.name
                )
                store.add_trial({**trial, **_made(preset)})
                tell(f"{piece.name}: {trial['value']:.1f} % in {trial['seconds']:.0f} s")
            else:
                lacking = run_cell(preset, piece, source, Path(data_root), out, store, device)
                if lacking:
                    failed.add(f"{piece.name} {piece.round.name}")
                missing += lacking
                took = time.monotonic() - start
                tell(f"{piece.name}, {piece.round.name}: {took:.0f} s, {len(lacking)} missing")
            longest[type(piece)] = max(longest[type(piece)], time.monotonic() - start)
            pieces += 1
    return missing


def run_cell(
    preset: Preset,
    cell: Cell,
    source: SourceImages,
    data_root: Path,
    out: Path,
    store: Store,
    device: str | torch.device = "cpu",
) -> list[Missing]:
    """Pretrains, unless the checkpoint is there, and measures; returns what has no result."""
    rate = chosen_rate(preset, cell.method, store.trials())
    run = _pretrained(preset, cell, rate, source, out)
    weights = load_backbone(run.path).about().weights
    _check_same(store, cell, weights)
    seconds: dict[str, float] = {}
    missing: list[Missing] = []
    with all_threads(preset.threads):
        for suite in cell.round.suites:
            for task in suite.tasks:
                start = time.perf_counter()
                result = run_suite(
                    {cell.method: run.path},
                    open_sets(preset, suite, data_root, source),
                    tasks=[task],
                    options=_options_of(task, suite),
                    data_root=data_root,
                    results=out / "results.jsonl",
                    cache=out / "features" / cell.name,
                    image_size=preset.image_size,
                    device=device,
                    thumbnails=False,
                    seed=cell.seed,
                    progress=False,
                )
                took = time.perf_counter() - start
                seconds[task] = round(seconds.get(task, 0.0) + took, 1)
                missing += result.missing
                kept = (committed(row, cell=cell.name, metrics=suite.metrics) for row in result)
                store.add_records([row for row in kept if row is not None])
    if missing:
        return missing
    store.add_cell(
        {
            "method": cell.method,
            "seed": cell.seed,
            "round": cell.round.name,
            "weights": weights,
            "learning_rate": rate,
            "steps": run.steps,
            "loss": run.loss,
            "pretraining_seconds": round(run.seconds, 1),
            "seconds": seconds,
            **_made(preset),
        }
    )
    return []


def _options_of(task: str, suite: Suite) -> dict[str, dict[str, Any]]:
    """Of the task, and of that whose predictions it takes."""
    names = {task, TASKS[task].after}
    return {name: dict(chosen) for name, chosen in suite.options.items() if name in names}


def _pretrained(
    preset: Preset, cell: Cell, rate: float | None, source: SourceImages, out: Path
) -> Pretrained:
    """The checkpoint of a cell, made if it is not there."""
    folder = out / "cells" / cell.name
    path = folder / "backbone.safetensors"
    if path.exists():
        return Pretrained(path, 0.0, 0, None)
    return pretrain(
        preset,
        cell.method,
        seed=cell.seed,
        learning_rate=rate,
        epochs=preset.epochs,
        images=source.train,
        folder=folder,
    )


def _check_same(store: Store, cell: Cell, weights: str) -> None:
    """A checkpoint that was made again is the one whose records are there."""
    for row in store.cells():
        if (row["method"], row["seed"]) == (cell.method, cell.seed) and row["weights"] != weights:
            raise RuntimeError(
                f"the weights of {cell.name} are {weights}, its records are of {row['weights']}: "
                f"they were made by {row['versions']} on {row['machine']}, at commit "
                f"{row['commit']}. Use a folder of records of its own, or that machine and version."
            )


@contextmanager
def _next_piece(
    preset: Preset, store: Store, out: Path, failed: set[str]
) -> Iterator[Trial | Cell | None]:
    """The first piece that is not there and that no other process is at, held meanwhile."""
    folder = out / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    held: FileLock | None = None
    piece: Trial | Cell | None = None
    for name in [piece.name for piece in _pieces(preset, store)]:
        lock = FileLock(folder / f"{name}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        # Another process may have finished it since the list was made.
        left = [entry for entry in _pieces(preset, store) if entry.name == name]
        left = [entry for entry in left if _key(entry) not in failed]
        if left:
            held, piece = lock, left[0]
            break
        lock.release()
    try:
        yield piece
    finally:
        if held is not None:
            held.release()


def _pieces(preset: Preset, store: Store) -> Iterator[Trial | Cell]:
    trials = store.trials()
    yield from trials_left(preset, trials)
    yield from cells_left(preset, trials, store.cells())


def _key(piece: Trial | Cell) -> str:
    return piece.name if isinstance(piece, Trial) else f"{piece.name} {piece.round.name}"


def _made(preset: Preset) -> dict[str, Any]:
    """How and where a piece was made."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return {
        "commit": _commit(),
        "command": f"instdisc study {preset.name}",
        "machine": f"{platform.system()} {platform.machine()}, {gpu}",
        "versions": {"instdisc": __version__, "torch": str(torch.__version__)},
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _commit() -> str:
    """Of the checkout that the package lies in; ``""`` if it lies in none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
