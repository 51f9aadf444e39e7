"""Pretrain several methods on one folder with one recipe, and compare them by kNN and linear probe.

    python examples/compare.py --train data/cifar10_mini/train --test data/cifar10_mini/test \
        --methods random moco supervised exemplar --epochs 8

Every method gets the same backbone, views, optimiser, widths of heads and number of steps, and so
do lightly_simclr and the like, which are lightly's scripts of the methods. One JSON line per result
goes to OUT/results.jsonl; what stands there already is not run again.
"""

from __future__ import annotations

import argparse
import inspect
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import rich
import torch
from benchmarks.lightly_methods import LIGHTLY_METHODS, LightlyMethod
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

import instdisc
from instdisc.callbacks import ObjectiveMonitor, OnlineKNN, Throughput, ViewPictures
from instdisc.data import StratifiedSubset
from instdisc.report import append_records, read_records, results_figure, results_table
from instdisc.transfer import evaluate_knn, evaluate_linear, extract_features
from instdisc.types import About


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--train", required=True, type=Path, help="folder of class folders to pretrain on"
    )
    parser.add_argument("--test", required=True, type=Path, help="the same classes, to test on")
    parser.add_argument(
        "--methods", nargs="+", default=list(METHODS), choices=[*METHODS, *LIGHTLYS]
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--per-class", type=int, help="train on so many images of each class")
    parser.add_argument("--backbone", default="resnet10t")
    parser.add_argument("--channels", nargs="+", type=int, help="of a ResNet's stages, timm's")
    parser.add_argument("--stem", default="no_pool", choices=["imagenet", "no_pool", "cifar"])
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--policy", default="zhao_frcg", help="see instdisc.data.view_policy")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--batch-norm-groups", type=int, default=4)
    parser.add_argument("--queue-size", type=int, default=4096)
    parser.add_argument("--momentum", type=float, default=0.99)
    parser.add_argument("--temperature", type=float, default=0.1)
    parser.add_argument("--hidden-dim", type=int, default=512)
    parser.add_argument("--projection-dim", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.06)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--keep", default="memory", choices=["nothing", "memory", "device"])
    parser.add_argument("--channels-last", action="store_true", help="memory format of the network")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--knn-every", type=int, default=1, help="epochs between online kNN")
    parser.add_argument("--out", type=Path, default=Path("runs/compare"))
    return parser.parse_args(arguments)


def make_method(
    name: str, options: argparse.Namespace, images: instdisc.data.ImageSource
) -> instdisc.PretrainModule | instdisc.Backbone | LightlyRun:
    """The module of a method with the recipe that all share, or the random backbone."""
    narrow = {"channels": tuple(options.channels)} if options.channels else {}
    backbone = instdisc.Backbone(options.backbone, stem=options.stem, **narrow)
    if name == "random":
        return backbone
    if name in LIGHTLYS:
        return LightlyRun(LIGHTLYS[name](backbone, backbone.dim), options)
    shared = {
        "optimizer": "sgd",
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "final_weight_decay": None,
        "decay": "all",
        "schedule": "cosine",
        "warmup": 0.0,
        "reference_batch": None,
        "momentum": options.momentum,
        "final_momentum": None,
        "batch_norm_groups": options.batch_norm_groups,
        "channels_last": options.channels_last,
        "temperature": options.temperature,
        "queue_size": options.queue_size,
        "hidden_dim": options.hidden_dim,
        "predictor_dim": options.hidden_dim,
        "projection_dim": options.projection_dim,
        "num_prototypes": 2048,
        "num_views": 2,
        "num_classes": len(images.classes),
        "num_images": len(images),
    }
    method = getattr(instdisc, str(METHODS[name]))
    names = inspect.signature(method).parameters
    settings = {key: value for key, value in shared.items() if key in names}
    module: instdisc.PretrainModule = method(backbone, **{**settings, **SETTINGS.get(name, {})})
    for objective in module.objectives.values():
        objective.weight *= WEIGHTS.get(name, 1.0)
    return module


class LightlyRun(pl.LightningModule):
    """A method as lightly's script trains it, with the optimiser that all share."""

    def __init__(self, method: LightlyMethod, options: argparse.Namespace) -> None:
        super().__init__()
        self.method, self.backbone, self.options = method, method.backbone, options

    def training_step(self, batch: instdisc.Views, batch_idx: int) -> Tensor:
        self.method.before_step(self.options.momentum)
        return self.method.loss(batch[0])

    def configure_optimizers(self) -> Any:
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        options = {"momentum": 0.9, "weight_decay": self.options.weight_decay}
        optimizer = torch.optim.SGD(trained, self.options.learning_rate, **options)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


METHODS: dict[str, str | None] = {
    "random": None,
    "moco": "MoCoModule",
    "supervised": "SupervisedModule",
    "exemplar": "ExemplarModule",
    "supcon": "SupConModule",
    "ce_moco": "CrossEntropyMoCoModule",
    "supcon_moco": "SupConMoCoModule",
    "instdisc": "InstDiscModule",
    "simclr": "SimCLRModule",
    "in_batch_supcon": "InBatchSupConModule",
    "in_batch_exemplar": "InBatchExemplarModule",
    "byol": "BYOLModule",
    "simsiam": "SimSiamModule",
    "moco_v3": "MoCoV3Module",
    "barlow_twins": "BarlowTwinsModule",
    "vicreg": "VICRegModule",
    "nnclr": "NNCLRModule",
    "dino": "DINOModule",
}
SETTINGS: dict[str, dict[str, Any]] = {  # what the shared recipe would spoil
    "simclr": {"temperature": 0.5},  # as lightly's script for CIFAR-10
    "nnclr": {"temperature": 0.5},
    # Its own rate of biases is for LARS; as many outputs as lightly's script.
    "barlow_twins": {"bias_rate": 1.0, "projection_dim": 512},
    # Diverges at ten times that rate without LARS and warm-up.
    "vicreg": {"learning_rate": 0.006, "projection_dim": 512},
    "simsiam": {"projection_dim": 512, "bottleneck_dim": 128},
}
WEIGHTS = {"byol": 0.25}  # lightly's script has a quarter of the paper's loss
LIGHTLYS = {f"lightly_{name}": method for name, method in LIGHTLY_METHODS.items()}


def run(name: str, seed: int, options: argparse.Namespace) -> list[instdisc.Record]:
    """Pretrains one method with one seed and evaluates its backbone."""
    pl.seed_everything(seed)
    images: instdisc.data.ImageSource = instdisc.ImageFolder(options.train)
    if options.per_class is not None:
        images = StratifiedSubset(images, per_class=options.per_class)
    data = instdisc.ViewData(
        images,
        options.test,
        policy=options.policy,
        image_size=options.image_size,
        batch_size=options.batch_size,
        num_workers=options.workers,
        seed=seed,
        keep=options.keep,
    )
    module = make_method(name, options, images)
    folder = options.out / f"{name}-{seed}"
    start = time.perf_counter()
    checkpoint = ""
    if not isinstance(module, instdisc.Backbone):
        ours = isinstance(module, instdisc.PretrainModule)
        watchers = [OnlineKNN(), ObjectiveMonitor(), ViewPictures()] if ours else []
        trainer = pl.Trainer(
            max_epochs=options.epochs,
            precision=options.precision,
            logger=CSVLogger(options.out, name=f"{name}-{seed}", version=""),
            callbacks=[*watchers, Throughput(), RichProgressBar()],
            check_val_every_n_epoch=options.knn_every,
            limit_val_batches=None if ours else 0,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, datamodule=data)
        path = instdisc.export_backbone(
            module if ours else module.backbone, folder / "backbone.safetensors"
        )
        checkpoint = str(path)
    seconds = time.perf_counter() - start
    backbone = module if isinstance(module, instdisc.Backbone) else module.backbone
    train, test = (
        extract_features(backbone, images, image_size=options.image_size)
        for images in (data.images, data.test_images)
    )
    about = About(name, checkpoint, dataset=options.train.parent.name)
    records = [
        evaluate(train, test, seed=seed, about=about)
        for evaluate in (evaluate_knn, evaluate_linear)
    ]
    pretraining = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in vars(options).items()
    }
    settings = {"pretraining": pretraining, "pretraining_seconds": round(seconds, 1)}
    return [record._replace(settings={**record.settings, **settings}) for record in records]


def main(arguments: list[str] | None = None) -> list[instdisc.Record]:
    """Runs the comparison; returns its records."""
    options = parse_arguments(arguments)
    results = options.out / "results.jsonl"
    records = read_records(results) if results.exists() else []
    done = {(record.method, record.seed) for record in records}
    for name in options.methods:
        for seed in options.seeds:
            if (name, seed) not in done:
                append_records(run(name, seed, options), results)
                records = read_records(results)
    rich.print(results_table(records, title=f"{options.epochs} epochs of pretraining"))
    first = [record for record in records if record.seed == options.seeds[0]]
    results_figure(first, options.out / "results.png", title=f"{options.epochs} epochs")
    return records


if __name__ == "__main__":
    main()
