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
import json
import sys
from pathlib import Path
from typing import Any

import rich
from rich.markup import escape

from instdisc.report import published_lines, results_table, write_table
from instdisc.transfer import TASKS, SuiteRecords, run_suite


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        required=True,
        metavar="[NAME=]FILE",
        help="again for each; FILE:ARCHITECTURE where the file does not tell it; also timm:NAME, "
        "random (in each architecture of the files) or random:resnet50",
    )
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="[NAME=]SET",
        help="names of known sets, folders, or .csv files",
    )
    parser.add_argument(
        "--tasks", nargs="+", default=["knn", "linear", "few_shot"], choices=list(TASKS)
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="TASK.OPTION=JSON", type=option)
    parser.add_argument("--image-size", type=int, help="default: that of each backbone")
    parser.add_argument("--batch-size", type=int, default=256, help="of features")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps")
    parser.add_argument("--precision", default="32-true", help="of fine-tuning")
    parser.add_argument("--keep", default="nothing", choices=["nothing", "memory"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--allow-missing", action="store_true", help="exit with 0 all the same")
    parser.add_argument("--no-predictions", action="store_true", help="keep results alone")
    parser.add_argument("--out", type=Path, default=Path("runs/transfer"))
    return parser.parse_args(arguments)


def option(text: str) -> tuple[str, str, Any]:
    """``finetune.epochs=10`` in its parts; a value that is not JSON is a string."""
    name, _, value = text.partition("=")
    task, dot, key = name.partition(".")
    if not (dot and key and value):
        raise argparse.ArgumentTypeError(f"must be TASK.OPTION=JSON, got {text!r}")
    try:
        return task, key, json.loads(value)
    except ValueError:
        return task, key, value


def main(arguments: list[str] | None = None) -> SuiteRecords:
    """Runs the suite; returns its records, with what is missing."""
    options = parse_arguments(arguments)
    settings: dict[str, dict[str, Any]] = {}
    for task, key, value in options.set:
        settings.setdefault(task, {})[key] = value
    records = run_suite(
        options.checkpoint,
        options.data,
        tasks=options.tasks,
        options=settings,
        data_root=options.data_root,
        results=options.out / "results.jsonl",
        image_size=options.image_size,
        batch_size=options.batch_size,
        num_workers=options.workers,
        device=options.device,
        precision=options.precision,
        keep=options.keep,
        predictions=not options.no_predictions,
        seed=options.seed,
    )
    if records:
        rich.print(results_table(records, title="Transfer", rows="results"))
        for suffix in ("md", "csv", "tex"):
            write_table(records, options.out / f"table.{suffix}", rows="results")
    for line in published_lines(records):
        rich.print(escape(line))
    for what, why in records.missing:
        rich.print(f"[red]missing[/red]: {escape(what)}: {escape(why)}")
    if options.allow_missing:
        records.missing.clear()
    return records


if __name__ == "__main__":
    sys.exit(bool(main().missing))
