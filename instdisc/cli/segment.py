r"""Train a pretrained backbone for semantic segmentation and test it, from a YAML file.

    instdisc segment --config segmentation/camvid \
        --data.train camvid --data.root DATA --model.backbone backbone.safetensors

``--model.backbone`` is the file of a backbone, or a timm name for random weights. Sets are
`camvid`, `cityscapes`, `voc2012_segmentation`, `scenes`, or a folder with `images`, `masks` and
`classes.txt`; any other source is ``--data.train my_file.MySegments``. All options: ``--help``.

The run's folder is ``--trainer.default_root_dir``. It gets the configuration, logs, checkpoints,
``segments.png`` (the first test images, the truth and the prediction, after each validation), and
in the end ``results.jsonl``, mean IoU, pixel accuracy and the IoU of each class, and
``predictions`` (`instdisc.transfer.segmentation.run_predictions`). ``--ckpt_path last``
resumes a run in its folder; one that has ended is not repeated.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytorch_lightning import Callback
from pytorch_lightning.cli import LightningArgumentParser

from instdisc.data import SegmentData
from instdisc.transfer import SegmentationPictures, Segmenter, segmentation
from instdisc.types import Record

from .task import TaskCLI


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``instdisc segment``."""
    run(arguments)
    return 0


def run(args: Sequence[str] | None = None) -> list[Record]:
    """Trains and tests; `args` are the command line, ``None``: sys.argv. Returns the records."""
    return make_cli(args).run(segmentation)


def make_cli(args: Sequence[str] | None = None) -> SegmentCLI:
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
        about=__doc__,
        args=args,
    )


class SegmentCLI(TaskCLI):
    """The module learns from the data how many classes there are."""

    name = "segment"
    save_every = 500

    def watchers(self) -> list[Callback]:
        return [SegmentationPictures(), *super().watchers()]

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")
