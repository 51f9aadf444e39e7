r"""Run transfer tasks on many data sets with many checkpoints, and print one table.

    instdisc transfer --checkpoint runs/moco/checkpoints/backbone.safetensors \
        --checkpoint supervised=runs/supervised/checkpoints/backbone.safetensors \
        --checkpoint random --data-root data --data eurosat flowers17 dtd \
        --tasks knn linear_grid few_shot finetune

Results go to OUT/results.jsonl at once, and their predictions to OUT/predictions. Run the same
command again to go on after a stop, or with more of everything: what stands there is not run again,
unless what it depends on has changed. What is not there or fails is skipped and said, and the exit
status is 1, unless --allow-missing. The table also goes to OUT/table.md, .csv and .tex; below it
stand the numbers that papers report of the same task, set and metric. Settings of a task:
--set finetune.epochs=10 knn.k=200.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import rich
from jsonargparse import Namespace
from rich.markup import escape

from instdisc.report import published_lines, results_table, write_table
from instdisc.transfer import TASKS, SuiteRecords, run_suite

from .parsing import command_parser
from .suite_arguments import add_suite_arguments, say_missing, suite_keywords


def parse_arguments(arguments: Sequence[str] | None = None) -> Namespace:
    """The command line."""
    parser = command_parser(__doc__)
    add_suite_arguments(parser, "runs/transfer")
    parser.add_argument(
        "--tasks", nargs="+", default=["knn", "linear", "few_shot"], choices=list(TASKS)
    )
    parser.add_argument("--keep", default="nothing", choices=["nothing", "memory"])
    parser.add_argument("--no-predictions", action="store_true", help="keep results alone")
    return parser.parse_args(sys.argv[1:] if arguments is None else arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``instdisc transfer``; 1 if something asked for is missing."""
    return int(bool(run(arguments).missing))


def run(arguments: Sequence[str] | None = None) -> SuiteRecords:
    """Runs the suite; returns its records, with what is missing."""
    options = parse_arguments(arguments)
    records = run_suite(
        options.checkpoint,
        options.data,
        tasks=options.tasks,
        results=options.out / "results.jsonl",
        keep=options.keep,
        predictions=not options.no_predictions,
        **suite_keywords(options),
    )
    if records:
        rich.print(results_table(records, title="Transfer", rows="results"))
        for suffix in ("md", "csv", "tex"):
            write_table(records, options.out / f"table.{suffix}", rows="results")
    for line in published_lines(records):
        rich.print(escape(line))
    say_missing(records, options.allow_missing)
    return records
