"""Runs what a study has to do, piece by piece; whatever is there is not run again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from instdisc.checks import checked_call, positive, whole
from instdisc.transfer import Missing

from .budget import Budget, BudgetSpent
from .cell import run_cell
from .pieces import next_piece
from .preset import Preset
from .rates import try_rate
from .sources import open_source
from .stamp import stamp
from .store import Store
from .work import Trial


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
    each piece is taken by one of them. A process that is killed, or whose budget is spent, leaves
    the finished epochs of its pretraining and the finished tasks of its suite; the next one goes
    on there, and comes to the same numbers.

    Args:
        preset: see `read_preset`.
        data_root: the folder that holds the sets.
        out: gets checkpoints, features and predictions, in a folder of the preset's name.
        records: gets the records, ``NAME.jsonl``, ``NAME_cells.jsonl``, ``NAME_rates.jsonl``.
        budget: seconds; it stops between two epochs or two tasks. ``None``: no limit.
        most: pieces at most; ``None``: no limit.
        device: where to compute what comes after the pretraining, which the preset's trainer says.
        tell: called with a line for each piece.

    Returns:
        What was asked for and has no result; the cell is then not finished, and is tried again by
        the next call.

    Raises:
        FileNotFoundError: if the set of the pretraining is not there.
        RuntimeError: if a checkpoint that was made again is not the same as before.
    """
    limit = Budget(budget)
    out = Path(out) / preset.name
    store = Store(Path(records), preset.name)
    source = open_source(preset, Path(data_root))
    missing: list[Missing] = []
    failed: set[str] = set()
    pieces = 0
    while most is None or pieces < most:
        with next_piece(preset, store, out / "locks", failed) as piece:
            if piece is None:
                break
            start = time.monotonic()
            try:
                if isinstance(piece, Trial):
                    folder = out / "rates" / piece.name
                    trial = try_rate(preset, piece, source, folder, limit)
                    store.add_trial({**trial, **stamp(preset.name)})
                    told = f"{trial['value']:.1f} %"
                else:
                    lacking = run_cell(
                        preset,
                        piece,
                        source,
                        data_root=Path(data_root),
                        out=out,
                        store=store,
                        device=device,
                        budget=limit,
                    )
                    failed.update([piece.key] if lacking else [])
                    missing += lacking
                    told = f"{len(lacking)} missing" if lacking else "finished"
            except BudgetSpent:
                tell(f"{piece.key}: the budget is spent; the next call goes on here")
                break
            tell(f"{piece.key}: {told}, {time.monotonic() - start:.0f} s")
            pieces += 1
    return missing
