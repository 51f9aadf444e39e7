r"""Landmarks of faces with a pretrained backbone, from a YAML file or the command line.

    instdisc landmarks --config landmarks/mafl \
        --data.root DATA --model.backbone runs/moco_v2_faces/checkpoints/backbone.safetensors

    instdisc landmarks --config landmarks/faces68 \
        --data.root DATA --model.backbone resnet18

``instdisc recipes landmarks`` lists a recipe for each protocol, with what to expect and the cost.
``--model.backbone`` is a checkpoint, or the name of a timm model with random weights.
All options: ``--help``.

The run's folder is ``--trainer.default_root_dir``. It gets the configuration, TensorBoard and CSV
logs, checkpoints (``--ckpt_path last`` resumes from them), the records
in ``results.jsonl``, ``predictions`` (`instdisc.transfer.landmarks.run_predictions`),
``landmarks.png``, a picture of predicted and true points, and ``curve.png``, the cumulative error
curve. A frozen backbone without random views sees each image once; its features are kept in memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from pytorch_lightning.cli import LightningArgumentParser

from instdisc.data import LandmarkData
from instdisc.transfer import LandmarkModule, landmarks
from instdisc.types import Record

from .task import TaskCLI


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``instdisc landmarks``."""
    run(arguments)
    return 0


def run(args: Sequence[str] | None = None) -> list[Record]:
    """Trains, tests, writes; returns the records. `args`: ``None`` for the command line."""
    cli = make_cli(args)
    module, data, trainer = cli.model, cli.datamodule, cli.trainer
    with warnings.catch_warnings():
        # A frozen backbone is in eval mode on purpose.
        warnings.filterwarnings("ignore", "Found .* in eval mode at the start of training")
        if module.can_precompute(data):
            module.precompute(data, trainer.strategy.root_device)
        records = cli.run(landmarks)
    if trainer.is_global_zero:
        cli.show(landmarks.save_pictures(module, data, trainer.default_root_dir))
        print(f"Records and pictures are in {trainer.default_root_dir}.")
    return records


def make_cli(args: Sequence[str] | None = None) -> LandmarkCLI:
    """Data, module and Trainer as the command line says, ready to fit."""
    return LandmarkCLI(
        LandmarkModule,
        LandmarkData,
        trainer={"default_root_dir": "runs/landmarks", "max_epochs": 120},
        about=__doc__,
        args=args,
    )


class LandmarkCLI(TaskCLI):
    """The module learns from the data what the points are."""

    name = "landmarks"

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.link_arguments("data.image_size", "model.image_size")
        parser.link_arguments("data.layout", "model.layout", apply_on="instantiate")
