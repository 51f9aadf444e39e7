r"""Run transfer tasks on many data sets with many checkpoints, and print one table.

    instdisc transfer --checkpoint runs/moco/checkpoints/backbone.safetensors \
        --checkpoint supervised=runs/supervised/checkpoints/backbone.safetensors \
        --checkpoint random --data-root data --data eurosat dtd my_images \
        --tasks knn linear_grid few_shot finetune

Results go to OUT/results.jsonl at once, and their predictions to OUT/predictions. Run the same
command again to go on after a stop, or with more checkpoints, sets or tasks: what is there is not
run again, unless what it depends on has changed. What is missing or fails is left out and named in
the log, and the exit status is 1, unless --allow-missing. Before anything is computed the command
ends at a checkpoint that cannot be read or, unless --allow-missing, is not there. The table also
goes to OUT/table.md, .csv and .tex; below it are the numbers that papers report of the same task,
set and metric.

Settings of a task are the options of its function in instdisc.transfer:

    --set finetune.epochs=10 finetune.share=0.1 knn.k=200 few_shot.shots=[5]
    --set few_shot.classifier=[logistic,cosine]   each value is a run of its own, as are shots
    --set few_shot.protocol=bscd_fsl              ways, shots, queries, episodes; or islam
    --set few_shot.episodes_file=lists/           reads lists/SET.npz; draws and writes it if absent

Data sets with parts in places of their own, or with classes that pretraining did not see:

    --data mine=photos/2024:photos/2025 --tasks linear_grid finetune
    --data bscd_fsl --tasks few_shot few_shot_finetune
    --data mini_imagenet new=base/train:base/test:novel --tasks base_and_novel

On several processes or machines that see the same files, with the same records:

    --executor processes:2                        one for each GPU without a number
    --executor slurm:logs/ --executor-options partition=gpu gpus_per_node=1 timeout_min=240
    --executor dask:tcp://HOST:8786
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import rich
from jsonargparse import Namespace
from pytorch_lightning.utilities import rank_zero_only
from rich.markup import escape

from instdisc.report import published_lines, results_table, write_table
from instdisc.transfer import TASKS, SuiteRecords, run_suite
from instdisc.types import Record

from .parsing import command_parser
from .suite_arguments import add_suite_arguments, say_missing, suite_keywords


def parse_arguments(arguments: Sequence[str] | None = None) -> Namespace:
    """The command line."""
    parser = command_parser("transfer", __doc__)
    add_suite_arguments(parser, "runs/transfer")
    parser.add_argument(
        "--tasks", nargs="+", default=["knn", "linear", "few_shot"], choices=list(TASKS)
    )
    parser.add_argument("--keep", default="nothing", choices=["nothing", "memory"])
    parser.add_argument("--no-predictions", action="store_true", help="do not save predictions")
    parser.add_argument(
        "--no-thumbnails", action="store_true", help="do not save small pictures of test images"
    )
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
        thumbnails=not options.no_thumbnails,
        **suite_keywords(options),
    )
    if getattr(rank_zero_only, "rank", 0):  # another process of the same run prints
        return records
    if records:
        rich.print(results_table(records, title="Transfer", rows="results"))
        for suffix in ("md", "csv", "tex"):
            write_table(records, options.out / f"table.{suffix}", rows="results")
    for line in [*chosen_lines(records), *published_lines(records)]:
        rich.print(escape(line))
    say_missing(records, options.allow_missing)
    return records


def chosen_lines(records: Sequence[Record]) -> list[str]:
    """Which recipe of its grid each run chose, on a share of the training images."""
    lines = {}
    for record in records:
        grid = record.settings.get("grid")
        if not isinstance(grid, list) or len(grid) < 2 or "learning_rate" not in record.settings:
            continue
        chosen = {name: record.settings[name] for name in grid[0] if name != "validation"}
        tried = next(row for row in grid if all(row[name] == chosen[name] for name in chosen))
        recipe = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in chosen.items())
        lines[record.task, record.dataset, record.method, record.seed] = (
            f"{record.task} on {record.dataset} with {record.method}: {recipe}, the best of "
            f"{len(grid)} ({tried['validation']:.1f} % of the validation images)"
        )
    return list(lines.values())
