"""Landmarks of faces with a pretrained backbone, from a YAML file or the command line.

    python examples/landmarks.py --config examples/configs/landmarks/mafl.yaml \
        --data.root DATA --model.backbone runs/moco_v2_faces/checkpoints/backbone.safetensors

    python examples/landmarks.py --config examples/configs/landmarks/faces68.yaml \
        --data.root DATA --model.backbone resnet18

`configs/landmarks/` holds one file for each protocol, headed by the command, what to expect and
the cost. ``--model.backbone`` is a checkpoint, or the name of a timm model with random weights.
All options: ``--help``.

The run's folder is ``--trainer.default_root_dir``. It gets the configuration, TensorBoard and CSV
logs, checkpoints (go on with ``--ckpt_path last``), the records in ``results.jsonl``, a picture of
predicted and true points, and the cumulative error curve. A frozen backbone
without random views sees each image once; its features are kept in memory.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import rich
from command_line import RunCLI
from pytorch_lightning.cli import LightningArgumentParser

from instdisc.checkpoint import backbone_origin
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
    method, checkpoint = backbone_origin(str(cli.config.model.backbone))
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
        trainer={"default_root_dir": "runs/landmarks", "max_epochs": 120},
        args=args,
    )


class LandmarkCLI(RunCLI):
    """The module learns from the data what the points are."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.link_arguments("data.image_size", "model.image_size")
        parser.link_arguments("data.layout", "model.layout", apply_on="instantiate")


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
