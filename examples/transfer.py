"""Run transfer tasks on many data sets with many checkpoints, and print one table.

    python examples/transfer.py --checkpoint runs/moco/checkpoints/backbone.safetensors \
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

import argparse
import sys

import rich
from rich.markup import escape
from suite_arguments import add_suite_arguments, say_missing, suite_keywords

from instdisc.report import published_lines, results_table, write_table
from instdisc.transfer import TASKS, SuiteRecords, run_suite


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_suite_arguments(parser, "runs/transfer")
    parser.add_argument(
        "--tasks", nargs="+", default=["knn", "linear", "few_shot"], choices=list(TASKS)
    )
    parser.add_argument("--keep", default="nothing", choices=["nothing", "memory"])
    parser.add_argument("--no-predictions", action="store_true", help="keep results alone")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> SuiteRecords:
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


if __name__ == "__main__":
    sys.exit(bool(main().missing))
