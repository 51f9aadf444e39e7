"""Train a pretrained backbone for semantic segmentation and test it, from a YAML file.

    python examples/segment.py --config examples/configs/segmentation/camvid.yaml \
        --data.train camvid --data.root DATA --model.checkpoint backbone.safetensors

``--model.backbone resnet50`` in place of the checkpoint begins from random weights. Sets are
`camvid`, `cityscapes`, `voc2012_segmentation`, `scenes`, or a folder with `images`, `masks` and
`classes.txt`; any other source is ``--data.train my_file.MySegments``. All options: ``--help``.

The run's folder is ``--trainer.default_root_dir``. It gets the configuration, logs, checkpoints,
``segments.png`` (the first test images, the truth and the prediction, after each validation), and
in the end ``results.jsonl``: mean IoU, pixel accuracy and the IoU of each class. With
``--ckpt_path last`` a run goes on in its folder.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import rich
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import (
    LearningRateMonitor,
    ModelCheckpoint,
    ProgressBar,
    RichProgressBar,
)
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from instdisc.checkpoint import describe_checkpoint
from instdisc.data import SegmentData
from instdisc.report import append_records, results_table
from instdisc.transfer import SegmentationPictures, Segmenter, segmentation_records
from instdisc.types import Record


def main(args: list[str] | None = None) -> list[Record]:
    """Trains and tests; `args` are the command line, ``None``: sys.argv. Returns the records."""
    start = time.perf_counter()
    cli = make_cli(args)
    trainer, model, data = cli.trainer, cli.model, cli.datamodule
    trainer.fit(model, datamodule=data, ckpt_path=cli.config.ckpt_path)
    trainer.validate(model, datamodule=data, verbose=False)
    checkpoint = cli.config.model.checkpoint
    records = segmentation_records(
        model.result,
        data.classes,
        dataset=data.test.name,
        method=_method(checkpoint),
        checkpoint=str(checkpoint or ""),
        seed=data.seed,
        seconds=time.perf_counter() - start,
        settings={
            **_settings(cli.config),
            "backbone": model.net.backbone.name,
            "batch_size": data.batch_size * trainer.world_size,
            "steps": trainer.global_step,
            "train": len(data.train),
        },
    )
    if trainer.is_global_zero:
        append_records(records, Path(trainer.default_root_dir) / "results.jsonl")
        rich.print(results_table(records, rows="results"))
    return records


def make_cli(args: list[str] | None = None) -> SegmentCLI:
    """Data, module and Trainer as the command line says, ready to fit."""
    return SegmentCLI(
        Segmenter,
        SegmentData,
        trainer_defaults={
            "default_root_dir": "runs/segment",
            "max_steps": 2000,
            "check_val_every_n_epoch": None,
            "val_check_interval": 500,
        },
        seed_everything_default=0,
        save_config_kwargs={"overwrite": True},  # only by a run that goes on: see SegmentCLI
        load_from_checkpoint_support=False,
        auto_configure_optimizers=False,
        run=False,
        args=args,
    )


class SegmentCLI(LightningCLI):
    """LightningCLI with one seed for all, a guarded run folder, default callbacks and loggers."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=None,
            help="Checkpoint to go on from; 'last' for the newest one in the run's folder.",
        )
        parser.link_arguments("seed_everything", "data.seed", compute_fn=_seed)
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        folder = Path(self.config.trainer.default_root_dir or ".") / "checkpoints"
        if self.config.ckpt_path is None and any(folder.glob("*.ckpt")):
            self.parser.error(
                f"{folder} holds the checkpoints of a run already. Go on with it by "
                "--ckpt_path last, or choose another --trainer.default_root_dir."
            )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        settings = self.config_init.trainer
        root = Path(settings.default_root_dir or ".")
        if settings.logger in (None, True):
            # A CSVLogger empties its folder: each start gets a version of its own.
            settings.logger = [
                TensorBoardLogger(root, name="", version=""),
                CSVLogger(root, name="csv"),
            ]
        given = settings.callbacks or []
        given = given if isinstance(given, list) else [given]
        settings.callbacks = given + [
            default
            for default in _watchers(settings, root / "checkpoints", given)
            if not any(isinstance(callback, type(default)) for callback in given)
        ]
        return super().instantiate_trainer(**kwargs)


def _watchers(settings: Any, folder: Path, given: list[Callback]) -> list[Callback]:
    watchers: list[Callback] = [SegmentationPictures()]
    if settings.enable_progress_bar is not False and not any(
        isinstance(callback, ProgressBar) for callback in given
    ):
        watchers.append(RichProgressBar())
    if settings.logger is not False and not settings.fast_dev_run:
        watchers.append(LearningRateMonitor("step"))
    if settings.enable_checkpointing is not False and not settings.fast_dev_run:
        # Whenever the run is killed, a whole checkpoint is there, and "last" is a link to it.
        watchers.append(ModelCheckpoint(folder, save_last="link", every_n_train_steps=500))
    return watchers


def _settings(config: Any) -> dict[str, Any]:
    """What of the command line says how the result was made, as JSON values."""
    skip = {"checkpoint", "train", "test", "root", "num_workers", "channels_last"}
    found = {**config.model.as_dict(), **config.data.as_dict()}
    found = {k: list(v) if isinstance(v, tuple) else v for k, v in found.items() if k not in skip}
    simple = (str, int, float, bool, list, type(None))
    return {k: v for k, v in found.items() if isinstance(v, simple)}


def _method(checkpoint: str | Path | None) -> str:
    if checkpoint is None:
        return "random"
    return describe_checkpoint(checkpoint).method or Path(checkpoint).stem


def _seed(seed: bool | int) -> int:
    if isinstance(seed, bool):
        raise ValueError(f"`seed_everything` must be a number, got {seed}: it draws the crops too")
    return seed


if __name__ == "__main__":
    sys.path.append(os.getcwd())  # for --data.train my_file.MySegments
    main()
