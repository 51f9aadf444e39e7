r"""Fine-tune a backbone as a detector on VOC or COCO data, or on your own, and test it.

    instdisc detect --config detection/voc07 \
        --data.root DATA --model.backbone runs/moco/checkpoints/backbone.safetensors

    instdisc detect --config detection/pennfudan \
        --data.root DATA --model.backbone resnet18

``instdisc recipes detection`` lists a recipe for each published row, with the result to expect and
the cost, and recipes for small sets. ``model.backbone`` is the file of a backbone, or a
timm name for random weights. ``data.train`` is a name or a folder, see
`instdisc.data.open_objects`.

The available devices share the recipe's ``global_batch``. Another batch, ``--global_batch 4``,
changes no other setting. ``--linear_rule_from 16`` says that the settings are for a batch of 16, of
all devices together: then learning rate, iterations, milestones and warm-up follow your batch by
the linear rule, and a line says how.

The run's folder is ``--trainer.default_root_dir``. It gets the configuration, TensorBoard and CSV
logs, checkpoints, and in the end ``results.jsonl``, ``predictions``
(`instdisc.transfer.detection.run_predictions`), ``detector.pt`` (for
`instdisc.transfer.load_detector`), ``detections.json`` in COCO's format, and ``pictures`` with the
true objects on the left and the detections on the right. ``--ckpt_path last`` resumes a run in its
folder; one that has ended is not repeated.
All options: ``--help``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.cli import LightningArgumentParser

from instdisc.callbacks import Throughput
from instdisc.data import ObjectData
from instdisc.transfer import DetectionModule, DetectionRecipe, detection, save_detection_run
from instdisc.types import Record

from .task import TaskCLI


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``instdisc detect``."""
    run(arguments)
    return 0


def run(args: Sequence[str] | None = None) -> list[Record]:
    """Trains, tests, saves and returns the records; `args` are the command line."""
    cli = make_cli(args)
    records = cli.run(detection)
    if cli.trainer.is_global_zero:
        folder = Path(cli.trainer.default_root_dir)
        save_detection_run(cli.model, cli.datamodule, folder)
        cli.show(sorted((folder / "pictures").glob("*.png")))
        print(f"The detector, its detections and pictures are in {folder}.")
    return records


def make_cli(args: Sequence[str] | None = None) -> DetectCLI:
    """Data, module and Trainer as the command line says, ready to fit."""
    return DetectCLI(
        DetectionModule,
        ObjectData,
        # One epoch of the loader is the whole schedule.
        trainer={"default_root_dir": "runs/detect", "max_epochs": 1},
        about=__doc__,
        args=args,
    )


class DetectCLI(TaskCLI):
    """The module learns from the data how many classes there are; the linear rule on demand."""

    name = "detect"
    save_every = 1000

    def watchers(self) -> list[Callback]:
        return [Throughput(), *super().watchers()]

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.add_argument(
            "--linear_rule_from",
            type=int | None,
            default=None,
            help="The batch that the settings are for; they follow your batch by the linear rule.",
        )
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")

    def instantiate_classes(self) -> None:
        super().instantiate_classes()
        if self.config.linear_rule_from is not None:
            _follow(self.model, self.datamodule, self.trainer, self.config.linear_rule_from)
        elif self.config.global_batch is not None:  # the recipe counts steps, the loader parts
            self.datamodule.iterations *= self.trainer.accumulate_grad_batches

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        settings = self.config_init.trainer
        if settings.num_sanity_val_steps is None:
            settings.num_sanity_val_steps = 0
        return super().instantiate_trainer(**kwargs)


def _follow(model: DetectionModule, data: ObjectData, trainer: Trainer, batch: int) -> None:
    """Scales the schedule, which is for `batch` images per step, to those that there are."""
    accumulated = trainer.accumulate_grad_batches
    written = DetectionRecipe(
        data.iterations, batch, model.learning_rate, model.milestones, model.warmup
    )
    recipe = written.for_batch(data.batch_size * trainer.world_size * accumulated)
    data.iterations = recipe.iterations * accumulated
    model.learning_rate = recipe.learning_rate
    model.milestones = recipe.milestones
    model.warmup = recipe.warmup
    print(f"Linear rule: {written} becomes {recipe}")
