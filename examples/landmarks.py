"""Landmarks of faces with a pretrained backbone, from a YAML file or the command line.

    python examples/landmarks.py --config examples/configs/landmarks/mafl.yaml \
        --data.root DATA --model.backbone runs/moco_v2_faces/checkpoints/backbone.safetensors

    python examples/landmarks.py --config examples/configs/landmarks/faces68.yaml \
        --data.root DATA --model.backbone resnet18

`configs/landmarks/` holds one file for each protocol, headed by the command, what to expect and
the cost. ``--model.backbone`` is a checkpoint, or the name of a timm model with random weights.
All options: ``--help``.

The run's folder is ``--trainer.default_root_dir``. It gets the configuration, TensorBoard and CSV
logs, checkpoints (go on with ``--ckpt_path last``; a run that has ended adds nothing), the records
in ``results.jsonl``, ``predictions`` (`instdisc.transfer.landmarks.run_predictions`),
``landmarks.png``, a picture of predicted and true points, and ``curve.png``, the cumulative error
curve. A frozen backbone without random views sees each image once; its features are kept in memory.
"""

from __future__ import annotations

import warnings

from command_line import TaskCLI
from pytorch_lightning.cli import LightningArgumentParser

from instdisc.data import LandmarkData
from instdisc.transfer import LandmarkModule, landmarks
from instdisc.types import Record


def main(args: list[str] | None = None) -> list[Record]:
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


def make_cli(args: list[str] | None = None) -> LandmarkCLI:
    """Data, module and Trainer as the command line says, ready to fit."""
    return LandmarkCLI(
        LandmarkModule,
        LandmarkData,
        trainer={"default_root_dir": "runs/landmarks", "max_epochs": 120},
        args=args,
    )


class LandmarkCLI(TaskCLI):
    """The module learns from the data what the points are."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.link_arguments("data.image_size", "model.image_size")
        parser.link_arguments("data.layout", "model.layout", apply_on="instantiate")


if __name__ == "__main__":
    main()
