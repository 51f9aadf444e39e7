r"""Look inside checkpoints: what each stage knows and throws away, where detectors err, and why.

    instdisc analyse --checkpoint runs/moco/checkpoints/backbone.safetensors \
        --checkpoint supervised=runs/supervised/checkpoints/backbone.safetensors \
        --checkpoint random --data-root data --data eurosat my_images scenes \
        --analyses cka geometry factors inversion

Results go to OUT/results.jsonl at once, their arrays to OUT/predictions, and every figure to
OUT/figures. Run the same command again to go on after a stop, or with more checkpoints, sets or
analyses: what is there is not computed again, unless what it depends on has changed. What is
missing or fails is left out and named in the log, and the exit status is 1, unless --allow-missing.

Settings of an analysis: --set inversion.steps=500 cka.num_images=2000. `scenes` are generated
images, whose every factor is known. --transfer takes the results file of ``instdisc transfer`` for
the same checkpoints, and tells which of the numbers goes with transfer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import rich
from jsonargparse import Namespace

from instdisc.analysis import ANALYSES, analyse, predict_transfer, predictors_figure
from instdisc.report import read_records, results_table, sort_records, write_table
from instdisc.transfer import Missing, SuiteRecords, read_predictions

from .parsing import command_parser
from .suite_arguments import add_suite_arguments, say_missing, suite_keywords

MOST_ROWS = 40  # of a table in the terminal; a longer one is read in a file


def parse_arguments(arguments: Sequence[str] | None = None) -> Namespace:
    """The command line."""
    parser = command_parser("analyse", __doc__)
    add_suite_arguments(parser, "runs/analyse")
    parser.add_argument(
        "--analyses", nargs="+", default=["geometry", "cka"], choices=list(ANALYSES)
    )
    parser.add_argument("--transfer", type=Path, help="results.jsonl of instdisc transfer")
    parser.add_argument(
        "--source", nargs="+", default=[], metavar="SET", help="sets of the pretraining"
    )
    parser.add_argument("--no-thumbnails", action="store_true", help="figures without images")
    return parser.parse_args(sys.argv[1:] if arguments is None else arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``instdisc analyse``; 1 if something asked for is missing."""
    return int(bool(run(arguments).missing))


def run(arguments: Sequence[str] | None = None) -> SuiteRecords:
    """Runs the analyses; returns their records, with what is missing."""
    options = parse_arguments(arguments)
    records = analyse(
        options.checkpoint,
        options.data,
        analyses=options.analyses,
        out=options.out,
        thumbnails=not options.no_thumbnails,
        **suite_keywords(options),
    )
    if options.transfer:
        predict(records, options)
    if records:
        if len({(record.dataset, record.task, record.metric) for record in records}) <= MOST_ROWS:
            rich.print(results_table(records, title="Analyses", rows="results"))
        rich.print(f"table: {options.out / 'table.md'}")
        for suffix in ("md", "csv", "tex"):
            write_table(records, options.out / f"table.{suffix}", rows="results")
    rich.print(f"figures: {options.out / 'figures'}")
    say_missing(records, options.allow_missing)
    return records


def predict(records: SuiteRecords, options: Namespace) -> None:
    """Adds which of the numbers goes with transfer, and draws it."""
    arrays = options.out / "predictions" / "predictors.npz"
    try:
        measured = [*records, *sort_records(read_records(options.transfer))]
        records += predict_transfer(measured, source=options.source, arrays=arrays)
    except (OSError, ValueError) as error:
        records.missing.append(Missing("which number predicts transfer", str(error)))
    else:
        figure = predictors_figure(read_predictions(arrays))
        figure.savefig(options.out / "figures" / "predictors.png", dpi=120)
