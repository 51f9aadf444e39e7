"""Run the study: do the papers' findings hold? Pretrain, measure, decide ten claims, write a page.

    instdisc study cpu --data-root data
    instdisc study cpu --data-root data --budget 3600

PRESET is cpu (two cores), gpu (one GPU), full (the papers' own sizes), or a YAML file of your own.
First a learning rate is chosen for each method, on images of the source set that no pretraining
sees; then cells run, one pretraining with all its targets each, round after round and seed after
seed, so that whatever is there when it stops compares the methods evenly. What is there is not run
again: stop it, go on another day, or run it several times side by side in the same folders.

Then ten claims of two papers are decided by rules that were written before (instdisc/study/
rules.yaml), and the page is made; --no-page leaves that for later, --only-page runs nothing else.

Records go to RECORDS/PRESET.jsonl, finished cells to PRESET_cells.jsonl, the trials of learning
rates to PRESET_rates.jsonl; checkpoints, features and predictions to OUT. --budget is in seconds:
it stops between two epochs or two tasks. The exit status is 1 if something has no result.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import rich
import torch
from jsonargparse import Namespace
from rich.markup import escape

from instdisc.study import Preset, conclude, read_preset, run_study
from instdisc.study.page import write_study_page
from instdisc.transfer import Missing

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
    parser.add_argument(
        "--page", type=Path, default=Path("docs/study.md"), help="its figures lie beside it"
    )
    parser.add_argument("--no-page", action="store_true", help="records alone")
    parser.add_argument("--only-page", action="store_true", help="from the records that are there")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")  # hints on workers, devices
    if options.no_page and options.only_page:
        parser.error("--no-page and --only-page: give one of them")
    preset = read_preset(options.preset)
    missing = [] if options.only_page else run(preset, options)
    if not options.no_page:
        for verdict in conclude(preset, out=options.out, records=options.records):
            rich.print(escape(f"{verdict.claim}: {verdict.verdict}. {verdict.why}"))
        page = write_study_page(options.records, options.page, preset=options.preset)
        rich.print(f"page: {escape(str(page))}")
    for what, why in missing:
        rich.print(f"[red]missing[/red]: {escape(what)}: {escape(why)}")
    return int(bool(missing))


def run(preset: Preset, options: Namespace) -> list[Missing]:
    """Runs what is left; returns what has no result."""
    return run_study(
        preset,
        data_root=options.data_root,
        out=options.out,
        records=options.records,
        budget=options.budget,
        most=options.most,
        device=options.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        tell=lambda line: rich.print(escape(line)),
    )
