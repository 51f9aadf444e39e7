r"""Pretrain any method on any folder of images, from a YAML file or the command line.

    instdisc pretrain FOLDER
    instdisc pretrain --config pretrain/moco_v2 \
        --data.images IMAGENET/train --trainer.default_root_dir runs/moco_v2

    instdisc pretrain --model MoCoModule --model.backbone resnet18 --data.images FOLDER

With nothing but a folder, MoCo v2's recipe is scaled to the number of images and to this machine: a
step of 256 images, or the largest power of two that leaves 8 steps to an epoch; the learning rate
0.03 for 256 images, in proportion; groups of 32 images for batch norm, at least two; a queue of
65,536 keys, or half of the images; views of 224 pixels, or less where the images are smaller, and
up to 64 pixels a stem that does not pool; 200 epochs. Lines say what was chosen. A tenth of each
class, or the folder's own test part, is held out to measure kNN beside that of random weights.

``instdisc recipes pretrain`` lists a recipe for each published row, with the result to expect and
the cost: [source: ...] says where a number was read, [not verified] that it was not looked up.

A method by name, ``--model BYOLModule``, has its paper's recipe for ImageNet and its views
(``--data.policy byol``). Your own method is ``--model my_file.MyMethod``, with ``my_file.py`` in
the folder where you are. All options: ``--help``, ``--model.help MoCoModule``.

A recipe runs on all available devices: they share its ``global_batch`` and its groups of batch
norm. A device that cannot hold its share computes it in parts, ``--data.batch_size 64``: the
gradient is that of the whole batch, except of methods that compare the images of a batch with each
other (SimCLR, NNCLR, MoCo v3, Barlow Twins, VICReg), which then see those of a part; the keys of
each part enter the queue after that part; the groups keep their size, and a part must hold at least
two, between which keys are shuffled. The last step of an epoch may have fewer parts.

The run's folder is ``--trainer.default_root_dir``. It gets the configuration, TensorBoard and CSV
logs, a picture of the views, the checkpoints, and in the end the backbone alone:
``checkpoints/backbone.safetensors``, for `instdisc.load_backbone`. With ``--ckpt_path last`` a run
goes on in its folder, or begins there if no checkpoint was written yet.

A callback in ``trainer.callbacks`` takes the place of the default one of its class,
``trainer.logger`` that of both loggers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.cli import LightningArgumentParser

from instdisc.callbacks import (
    MemoryBankKNN,
    ObjectiveMonitor,
    OnlineKNN,
    OnlineLinearProbe,
    Throughput,
    ViewPictures,
)
from instdisc.callbacks.bank_knn import bank_term
from instdisc.checkpoint import export_backbone
from instdisc.data import ViewData
from instdisc.methods import PretrainModule
from instdisc.models.norm_forms import has_batch_norm

from .folder import folder_run
from .method_options import method_options
from .method_views import method_views
from .run import RunCLI
from .scaling import describe, this_machine


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``instdisc pretrain``."""
    run(arguments)
    return 0


def run(args: Sequence[str] | None = None) -> PretrainCLI:
    """From the data to the exported backbone; `args` are the command line, ``None``: sys.argv."""
    args = sys.argv[1:] if args is None else args
    folder = folder_run(args)
    cli = make_cli([*method_views(args), *folder.options])
    if cli.trainer.is_global_zero:
        said = describe(cli.config, folder.scaled, this_machine()) if folder.scaled else []
        for line in (*said, *folder.lines):
            print(line)
    cli.fit()
    keeper = cli.trainer.checkpoint_callback
    kept = getattr(keeper, "last_model_path", "") or getattr(keeper, "best_model_path", "")
    if kept and cli.trainer.is_global_zero:
        # From the file, not from the module: it is whole also where a strategy shards the module.
        path = export_backbone(kept, Path(kept).with_name("backbone.safetensors"))
        print(f"The backbone is in {path}; instdisc.load_backbone reads it.")
    return cli


def make_cli(args: Sequence[str] | None = None) -> PretrainCLI:
    """Data, module and Trainer as the command line says, ready to fit."""
    return PretrainCLI(
        PretrainModule,
        ViewData,
        trainer={"default_root_dir": "runs/pretrain", "max_epochs": 200},
        subclasses=True,
        about=__doc__,
        epilog=method_options(),
        args=args,
    )


class PretrainCLI(RunCLI):
    """Any method; what watches the training is among the defaults."""

    name = "pretrain"

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        # Of a method with a memory bank; one without this argument is left as it is.
        parser.link_arguments(
            "data", "model.init_args.num_images", self._num_images, apply_on="instantiate"
        )

    def _num_images(self, data: ViewData) -> int:
        """What the command line says; else as many as are trained on."""
        settings = self.config.model.get("init_args") or {}
        set_to: int | None = settings.get("num_images")
        return len(data.images) if set_to is None else set_to

    def watchers(self) -> list[Callback]:
        data = self.datamodule
        watchers = [ObjectiveMonitor(), Throughput(), ViewPictures(), *super().watchers()]
        if data.test_images is not None and data.num_classes > 1:
            watchers += [OnlineKNN(), OnlineLinearProbe(data.num_classes)]
            if bank_term(self.model) is not None:
                watchers.append(MemoryBankKNN())
        return watchers

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:
            # jsonargparse lists all it tried with the model; beneath is what the model said.
            raise (error.__cause__ if "Union subtypes" in str(error) else None) or error from None

    def divide_step(self, devices: int, parts: int) -> str:
        remark = self._divide_batch_norm(devices, parts)
        if parts > 1 and any(term.within_batch for term in self.model.objectives.values()):
            together = self.config.global_batch // parts
            name = type(self.model).__name__
            remark += f" {name} compares the {together} images of a part alone with each other."
        return remark.strip()

    def _divide_batch_norm(self, devices: int, parts: int) -> str:
        policy, keys = self.model.batch_norm, self.model.momentum_backbone is not None
        normalises = has_batch_norm(self.model.backbone)
        if policy.mode != "shuffled" or not normalises:
            return super().divide_step(devices, parts) if normalises else ""
        groups = policy.groups
        if groups % (devices * parts):
            raise ValueError(
                f"`batch_norm_groups`={groups} cannot be kept by {devices} device(s) x {parts} "
                "part(s), which each need an equal number of groups. Take other --trainer.devices, "
                "or other --model.batch_norm_groups, which are then not the published ones."
            )
        if keys and groups > 1 and groups == parts:
            raise ValueError(
                f"`batch_norm_groups`={groups} in {parts} parts leaves one group to a part: query "
                "and key would share its statistics. Make `data.batch_size` larger, so that a "
                f"part holds two groups of {self.config.global_batch // groups} images."
            )
        policy.groups = groups // parts  # a part's share: the groups stay as large as they were
        return f"Batch norm sees groups of {self.config.global_batch // groups}."

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        settings = self.config_init.trainer
        if self.datamodule.test_images is None:
            if settings.limit_val_batches is None:
                settings.limit_val_batches = 0  # else Lightning wonders at loaders without a batch
        elif settings.num_sanity_val_steps is None:
            settings.num_sanity_val_steps = -1  # kNN of the untrained weights, see `OnlineKNN`
        return super().instantiate_trainer(**kwargs)
