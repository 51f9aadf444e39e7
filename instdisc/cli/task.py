"""The command line of a run that ends in records: detect, segment, landmarks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import rich
from pytorch_lightning.cli import LightningArgumentParser

from instdisc.loggers import log_picture
from instdisc.report import results_table
from instdisc.transfer import store_run
from instdisc.types import About, Record

from .run import RunCLI


class TaskCLI(RunCLI):
    """A run that fine-tunes a backbone, tests it and leaves records; see `run`."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.add_argument(
            "--method",
            type=str | None,
            default=None,
            help="How the backbone was made, for the table; else what its file says.",
        )

    def run(self, room: ModuleType) -> list[Record]:
        """Trains and tests, unless the run had come to its end, and writes the records once.

        The run's folder gets ``results.jsonl`` and ``predictions/KEY.npz``; a run that stands
        there already adds nothing.

        Args:
            room: `instdisc.transfer.detection`, ``segmentation`` or ``landmarks``.
        """
        start, trainer, data = time.perf_counter(), self.trainer, self.datamodule
        self.fit()
        if self.model.result is None:  # the last weights have not been tested
            trainer.validate(self.model, datamodule=data, verbose=False)
        records: list[Record] = room.run_records(
            self.model,
            data,
            About(method=self.config.method or ""),
            seconds=time.perf_counter() - start,
        )
        if trainer.is_global_zero:
            records = store_run(
                records,
                room.run_predictions(self.model, data),
                trainer.default_root_dir,
                train=data.train,
                test=data.test,
            )
            rich.print(results_table(records, rows="results"))
        return records

    def show(self, pictures: Sequence[Path]) -> None:
        """Hands files to the loggers that show pictures, by their names; on the first process."""
        for path in pictures:
            step = self.trainer.global_step
            log_picture(self.trainer.loggers, path.stem, path, step=step)
