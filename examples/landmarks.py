"""Landmarks of faces with a pretrained backbone, from a YAML file or the command line.

    python examples/landmarks.py --config examples/configs/landmarks/mafl.yaml \
        --data.root DATA --model.backbone runs/moco_v2_faces/checkpoints/backbone.safetensors

    python examples/landmarks.py --config examples/configs/landmarks/faces68.yaml \
        --data.root DATA --model.backbone resnet18

`configs/landmarks/` holds one file for each protocol, headed by the command, what to expect and
the cost. ``--model.backbone`` is a checkpoint, or the name of a timm model with random weights.
All options: ``--help``.

The run's folder is ``--trainer.default_root_dir``. It gets the configuration and the losses in
``csv/``, ``checkpoints/last.ckpt`` (go on with ``--ckpt_path FILE``), the records in
``results.jsonl``, a picture of predicted and true points, and the cumulative error curve. A frozen
backbone without random views sees each image once; its features are kept in memory.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import rich
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint, ProgressBar, RichProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger

from instdisc.checkpoint import describe_checkpoint
from instdisc.data import LandmarkData
from instdisc.report import append_records, results_table
from instdisc.transfer import LandmarkModule, curve_figure, landmark_figure, landmark_records
from instdisc.types import Record


def main(args: list[str] | None = None) -> list[Record]:
    """Trains, tests, writes; returns the records. `args`: ``None`` for the command line."""
    start = time.perf_counter()
    cli = make_cli(args)
    module, data, trainer = cli.model, cli.datamodule, cli.trainer
    with warnings.catch_warnings():
        # A frozen backbone is in eval mode on purpose.
        warnings.filterwarnings("ignore", "Found .* in eval mode at the start of training")
        if module.can_precompute(data):
            module.precompute(data, trainer.strategy.root_device)
        trainer.fit(module, datamodule=data, ckpt_path=cli.config.ckpt_path)
    if module.errors is None:
        trainer.validate(module, datamodule=data, verbose=False)
    if not trainer.is_global_zero:
        return []
    method, checkpoint = _origin(str(cli.config.model.backbone))
    test = data.test_set.images
    records = landmark_records(
        module.errors,
        data.layout,
        dataset=test.name,
        method=method,
        checkpoint=checkpoint,
        seed=cli.config.seed_everything,
        seconds=time.perf_counter() - start,
        settings=_settings(cli, len(data.train_set)),
    )
    folder = Path(trainer.default_root_dir)
    append_records(records, folder / "results.jsonl")
    landmark_figure(test, module.shown, folder / "landmarks.png")
    curve_figure({method: module.errors}, folder / "curve.png")
    rich.print(results_table(records, rows="results"))
    print(f"Records and pictures are in {folder}.")
    return records


def make_cli(args: list[str] | None = None) -> LandmarkCLI:
    """Data, module and Trainer as the command line says, ready to fit."""
    return LandmarkCLI(
        LandmarkModule,
        LandmarkData,
        trainer_defaults={"default_root_dir": "runs/landmarks", "max_epochs": 120},
        seed_everything_default=0,
        save_config_kwargs={"overwrite": True},
        load_from_checkpoint_support=False,
        auto_configure_optimizers=False,
        run=False,
        args=args,
    )


class LandmarkCLI(LightningCLI):
    """LightningCLI with one seed for all; the module learns from the data what the points are."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--ckpt_path", type=str | None, default=None, help="Checkpoint to go on from."
        )
        parser.link_arguments("seed_everything", "data.seed")
        parser.link_arguments("data.image_size", "model.image_size")
        parser.link_arguments("data.layout", "model.layout", apply_on="instantiate")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        settings = self.config_init.trainer
        root = Path(settings.default_root_dir)
        if settings.logger in (None, True):
            settings.logger = CSVLogger(root, name="csv")
        given = settings.callbacks or []
        given = given if isinstance(given, list) else [given]
        wanted: list[tuple[type, Any]] = []
        if settings.enable_progress_bar is not False:
            wanted.append((ProgressBar, RichProgressBar()))
        if settings.enable_checkpointing is not False and not settings.fast_dev_run:
            last = ModelCheckpoint(
                root / "checkpoints", filename="last", enable_version_counter=False
            )
            wanted.append((ModelCheckpoint, last))
        settings.callbacks = given + [
            default
            for kind, default in wanted
            if not any(isinstance(callback, kind) for callback in given)
        ]
        return super().instantiate_trainer(**kwargs)


def _origin(backbone: str) -> tuple[str, str]:
    """Method and file for the records."""
    if not Path(backbone).is_file():
        return "random", ""
    return describe_checkpoint(backbone).method or Path(backbone).stem, backbone


def _settings(cli: LandmarkCLI, num_train: int) -> dict[str, Any]:
    data, model = cli.config.data, cli.config.model
    shown = {name: data[name] for name in ("image_size", "crop", "margin", "augment", "batch_size")}
    names = ("head", "grid", "hidden", "frozen", "learning_rate", "backbone_learning_rate")
    shown |= {name: model[name] for name in (*names, "weight_decay")}
    trainer = cli.trainer
    shown |= {"epochs": trainer.max_epochs, "precision": str(trainer.precision)}
    return {**shown, "processes": trainer.world_size, "train": num_train}


if __name__ == "__main__":
    main()
