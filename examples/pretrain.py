"""Pretrain any method on any folder of images, from a YAML file or the command line.

    python examples/pretrain.py --config examples/configs/pretrain/moco_v2.yaml \
        --data.images IMAGENET/train --trainer.default_root_dir runs/moco_v2

    python examples/pretrain.py --model MoCoModule --model.backbone resnet18 --data.images FOLDER

`configs/pretrain/` holds one file for each published row, headed by the command, the result to
expect and the cost: [source: ...] says where a number was read, [recalled N%] that it was not
looked up, and how sure it is.

Your own method is ``--model my_file.MyMethod``, with ``my_file.py`` in the folder where you are.
All options: ``--help``, ``--model.help MoCoModule``.

The run's folder is ``--trainer.default_root_dir``. It gets the configuration, TensorBoard and CSV
logs, a picture of the views, the checkpoints, and in the end the backbone alone:
``checkpoints/backbone.safetensors``, for `instdisc.load_backbone`. With ``--ckpt_path last`` a run
goes on in its folder, or begins there if no checkpoint was written yet.

A callback in ``trainer.callbacks`` takes the place of the default one of its class,
``trainer.logger`` that of both loggers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import (
    LearningRateMonitor,
    ModelCheckpoint,
    ProgressBar,
    RichProgressBar,
)
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from instdisc import PretrainModule, ViewData, export_backbone
from instdisc.callbacks import (
    ObjectiveMonitor,
    OnlineKNN,
    OnlineLinearProbe,
    Throughput,
    ViewPictures,
)


def main(args: list[str] | None = None) -> PretrainCLI:
    """From the data to the exported backbone; `args` are the command line, ``None``: sys.argv."""
    cli = make_cli(args)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=cli.config.ckpt_path)
    keeper = cli.trainer.checkpoint_callback
    kept = getattr(keeper, "last_model_path", "") or getattr(keeper, "best_model_path", "")
    if kept and cli.trainer.is_global_zero:
        # From the file, not from the module: it is whole also where a strategy shards the module.
        path = export_backbone(kept, Path(kept).with_name("backbone.safetensors"))
        print(f"The backbone is in {path}; instdisc.load_backbone reads it.")
    return cli


def make_cli(args: list[str] | None = None) -> PretrainCLI:
    """Data, module and Trainer as the command line says, ready to fit."""
    return PretrainCLI(
        PretrainModule,
        ViewData,
        subclass_mode_model=True,
        trainer_defaults={"default_root_dir": "runs/pretrain", "max_epochs": 200},
        seed_everything_default=0,
        save_config_kwargs={"overwrite": True},  # only by a run that goes on: see PretrainCLI
        # The recipe in a checkpoint is what the module got, as without this command line.
        load_from_checkpoint_support=False,
        auto_configure_optimizers=False,
        run=False,
        args=args,
    )


class PretrainCLI(LightningCLI):
    """LightningCLI with one seed for all, a guarded run folder, default callbacks and loggers."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=None,
            help="Checkpoint to go on from; 'last' for the newest one in the run's folder.",
        )
        parser.link_arguments("seed_everything", "data.seed", compute_fn=_seed)

    def before_instantiate_classes(self) -> None:
        folder = Path(self.config.trainer.default_root_dir or ".") / "checkpoints"
        if self.config.ckpt_path is None and any(folder.glob("*.ckpt")):
            self.parser.error(
                f"{folder} holds the checkpoints of a run already. Go on with it by "
                "--ckpt_path last, or choose another --trainer.default_root_dir."
            )

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:
            # jsonargparse lists all it tried with the model; beneath is what the model said.
            raise (error.__cause__ if "Union subtypes" in str(error) else None) or error from None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        settings = self.config_init.trainer
        root = Path(settings.default_root_dir or ".")
        if settings.logger in (None, True):
            # A CSVLogger empties its folder: each start gets a version of its own.
            settings.logger = [
                TensorBoardLogger(root, name="", version=""),
                CSVLogger(root, name="csv"),
            ]
        if self.datamodule.test_images is None and settings.limit_val_batches is None:
            settings.limit_val_batches = 0  # else Lightning wonders at loaders without a batch
        given = settings.callbacks or []
        given = given if isinstance(given, list) else [given]
        defaults = [*_watchers(self.datamodule), *_keepers(settings, root / "checkpoints", given)]
        settings.callbacks = given + [
            default
            for default in defaults
            if not any(isinstance(callback, type(default)) for callback in given)
        ]
        return super().instantiate_trainer(**kwargs)


def _watchers(data: ViewData) -> list[Callback]:
    watchers = [ObjectiveMonitor(), Throughput(), ViewPictures()]
    if data.test_images is not None and data.num_classes > 1:
        watchers += [OnlineKNN(), OnlineLinearProbe(data.num_classes)]
    return watchers


def _keepers(settings: Any, folder: Path, given: list[Callback]) -> list[Callback]:
    """Those that the Trainer's own settings can forbid."""
    keepers: list[Callback] = []
    if settings.enable_progress_bar is not False and not any(
        isinstance(callback, ProgressBar) for callback in given
    ):
        keepers.append(RichProgressBar())
    if settings.logger is not False and not settings.fast_dev_run:
        keepers.append(LearningRateMonitor("step"))
    if settings.enable_checkpointing is not False and not settings.fast_dev_run:
        # Every epoch a new file, then "last" as a link to it, then the old file goes: whenever
        # the run is killed, a whole checkpoint is there.
        keepers.append(ModelCheckpoint(folder, save_last="link", every_n_epochs=1))
    return keepers


def _seed(seed: bool | int) -> int:
    if isinstance(seed, bool):
        raise ValueError(f"`seed_everything` must be a number, got {seed}: it draws the views too")
    return seed


if __name__ == "__main__":
    sys.path.append(os.getcwd())  # for --model my_file.MyMethod
    main()
