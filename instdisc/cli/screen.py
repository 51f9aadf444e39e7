"""What a run shows on the screen."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import rich
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import RichModelSummary, RichProgressBar
from pytorch_lightning.utilities.model_summary import get_human_readable_count
from rich.table import Table

_ADVERTS = ("litlogger", "litmodels")


class RunProgressBar(RichProgressBar):
    """Lightning's, with what the run logs and without ``v_num``, the versions of its loggers."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        if "v_num" not in trainer.progress_bar_metrics:
            metrics.pop("v_num", None)
        return metrics


class EpochLines(Callback):
    """A line for each epoch, for output that goes into a file and shows no bar."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        of = f" of {trainer.max_epochs}" if (trainer.max_epochs or -1) > 0 else ""
        values = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name in trainer.progress_bar_metrics
        }
        told = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        print(f"epoch {trainer.current_epoch + 1}{of}: {told}", flush=True)


class RunSummary(RichModelSummary):
    """The parts of the module and their parameters, without operations, which are not counted."""

    @staticmethod
    def summarize(
        summary_data: list[tuple[str, list[str]]],
        total_parameters: int,
        trainable_parameters: int,
        *_: Any,
        **__: Any,
    ) -> None:
        columns = {name.strip(): entries for name, entries in summary_data if name != "FLOPs"}
        table = Table(header_style="bold magenta")
        for name in columns:
            table.add_column(name, justify="right" if name.startswith("Params") else "left")
        for row in zip(*columns.values(), strict=True):
            table.add_row(*map(str, row))
        rich.print(table)
        frozen = total_parameters - trainable_parameters
        counts = [get_human_readable_count(int(n)) for n in (trainable_parameters, frozen)]
        rich.print(f"{counts[0].strip()} parameters are trained, {counts[1].strip()} are not.")


class _NoAdverts(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        advert = "Tip:" in message and any(name in message for name in _ADVERTS)
        return not advert and not message.startswith("TPU available: False")


def leave_adverts_out() -> None:
    """Lightning tells at each start of services that it sells; those lines are left out.

    Once for all of Lightning's loggers that speak so, whatever module of it does.
    """
    log = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    if not any(isinstance(entry, _NoAdverts) for entry in log.filters):
        log.addFilter(_NoAdverts())
    # Lightning 2.6 calls what newer torch deprecates, at each start; nothing a user could change.
    warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated")
