"""Run the study: do the papers' findings hold? Pretrain, measure, decide ten claims, write a page.

    instdisc study cpu --data-root data
    instdisc study cpu --data-root data --budget 3600

PRESET is cpu (two cores), gpu (one GPU), full (the papers' own sizes), or a YAML file of your own.
First a learning rate is chosen for each method, on images of the source set that no pretraining
sees; then cells run, one pretraining with all its targets each, round after round and seed after
seed, so that whatever is there when it stops compares the methods evenly. What is there is not run
again: stop it, go on another day, or run it several times side by side in the same folders.

Records go to RECORDS/PRESET.jsonl, finished cells to PRESET_cells.jsonl, the trials of learning
rates to PRESET_rates.jsonl; checkpoints, features and predictions to OUT. --budget is in seconds:
nothing is begun that would take longer. The exit status is 1 if something has no result.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import rich
import torch
from rich.markup import escape

from instdisc.study import read_preset, run_study

from .parsing import command_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``instdisc study``; 1 if something has no result."""
    parser = command_parser("study", __doc__)
    parser.add_argument("preset", type=str, metavar="PRESET", help="cpu, gpu, full, or a file")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="folder of the sets")
    parser.add_argument("--out", type=Path, default=Path("runs/study"), help="for checkpoints")
    parser.add_argument("--records", type=Path, default=Path("docs/study"), help="for records")
    parser.add_argument("--budget", type=float | None, help="seconds")
    parser.add_argument("--most", type=int | None, help="pieces at most: trials of rates, or cells")
    parser.add_argument(
        "--device", type=str | None, help="cpu, cuda; default: cuda if there is a GPU for it"
    )
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")  # hints on workers, devices
    missing = run_study(
        read_preset(options.preset),
        data_root=options.data_root,
        out=options.out,
        records=options.records,
        budget=options.budget,
        most=options.most,
        device=options.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        tell=lambda line: rich.print(escape(line)),
    )
    for what, why in missing:
        rich.print(f"[red]missing[/red]: {escape(what)}: {escape(why)}")
    return int(bool(missing))
