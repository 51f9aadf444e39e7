"""Train a pretrained backbone for semantic segmentation and test it, from a YAML file.

    python examples/segment.py --config examples/configs/segmentation/camvid.yaml \
        --data.train camvid --data.root DATA --model.backbone backbone.safetensors

``--model.backbone`` is the file of a backbone, or a timm name for random weights. Sets are
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
from command_line import RunCLI
from pytorch_lightning import Callback
from pytorch_lightning.cli import LightningArgumentParser

from instdisc.checkpoint import backbone_origin
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
    method, file = backbone_origin(str(cli.config.model.backbone))
    records = segmentation_records(
        model.result,
        data.classes,
        dataset=data.test.name,
        method=method,
        checkpoint=file,
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
        trainer={
            "default_root_dir": "runs/segment",
            "max_steps": 2000,
            "check_val_every_n_epoch": None,
            "val_check_interval": 500,
        },
        args=args,
    )


class SegmentCLI(RunCLI):
    """The module learns from the data how many classes there are."""

    save_every = 500

    def watchers(self) -> list[Callback]:
        return [SegmentationPictures(), *super().watchers()]

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")


def _settings(config: Any) -> dict[str, Any]:
    """What of the command line says how the result was made, as JSON values."""
    skip = {"train", "test", "root", "num_workers", "channels_last"}
    found = {**config.model.as_dict(), **config.data.as_dict()}
    found = {k: list(v) if isinstance(v, tuple) else v for k, v in found.items() if k not in skip}
    simple = (str, int, float, bool, list, type(None))
    return {k: v for k, v in found.items() if isinstance(v, simple)}


if __name__ == "__main__":
    sys.path.append(os.getcwd())  # for --data.train my_file.MySegments
    main()
