"""Pretrain several methods on one folder with one recipe, and compare them by kNN and linear probe.

    python examples/compare.py --train data/cifar10_mini/train --test data/cifar10_mini/test \
        --methods random moco supervised exemplar --epochs 8

Every method gets the same backbone, views, optimiser and number of steps. One JSON line per result
goes to OUT/results.jsonl; what stands there already is not run again.
"""

import argparse
import time
from pathlib import Path

import pytorch_lightning as pl
import rich
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.loggers import CSVLogger

import instdisc
from instdisc.callbacks import ObjectiveMonitor, OnlineKNN, Throughput, ViewPictures
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
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--backbone", default="resnet10t")
    parser.add_argument("--stem", default="no_pool", choices=["imagenet", "no_pool", "cifar"])
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--policy", default="zhao_frcg", help="see instdisc.data.view_policy")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--batch-norm-groups", type=int, default=4)
    parser.add_argument("--queue-size", type=int, default=4096)
    parser.add_argument("--momentum", type=float, default=0.99)
    parser.add_argument("--temperature", type=float, default=0.1)
    parser.add_argument("--learning-rate", type=float, default=0.06)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--keep", default="memory", choices=["nothing", "memory", "device"])
    parser.add_argument("--compile-views", action="store_true", help="faster in long runs")
    parser.add_argument("--channels-last", action="store_true", help="memory format of the network")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--knn-every", type=int, default=1, help="epochs between online kNN")
    parser.add_argument("--out", type=Path, default=Path("runs/compare"))
    return parser.parse_args(arguments)


def make_method(
    name: str, options: argparse.Namespace, num_classes: int
) -> instdisc.PretrainModule | instdisc.Backbone:
    """The module of a method with the recipe that all share, or the random backbone."""
    backbone = instdisc.Backbone(options.backbone, stem=options.stem)
    if name == "random":
        return backbone
    recipe = {
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "warmup": 0.0,
        "reference_batch": None,
        "channels_last": options.channels_last,
    }
    contrast = {
        "temperature": options.temperature,
        "queue_size": options.queue_size,
        "momentum": options.momentum,
        "batch_norm_groups": options.batch_norm_groups,
    }
    classes = {"num_classes": num_classes}
    settings = {
        "supervised": {**recipe, **classes},
        "ce_moco": {**recipe, **contrast, **classes},
    }.get(name, {**recipe, **contrast})
    return METHODS[name](backbone, **settings)


METHODS = {
    "random": None,
    "moco": instdisc.MoCoModule,
    "supervised": instdisc.SupervisedModule,
    "exemplar": instdisc.ExemplarModule,
    "supcon": instdisc.SupConModule,
    "ce_moco": instdisc.CrossEntropyMoCoModule,
    "supcon_moco": instdisc.SupConMoCoModule,
}


def run(name: str, seed: int, options: argparse.Namespace) -> list[instdisc.Record]:
    """Pretrains one method with one seed and evaluates its backbone."""
    pl.seed_everything(seed)
    data = instdisc.ViewData(
        options.train,
        options.test,
        policy=options.policy,
        image_size=options.image_size,
        batch_size=options.batch_size,
        num_workers=options.workers,
        seed=seed,
        keep=options.keep,
        compile_views=options.compile_views,
    )
    module = make_method(name, options, data.num_classes)
    folder = options.out / f"{name}-{seed}"
    start = time.perf_counter()
    checkpoint = ""
    if isinstance(module, instdisc.PretrainModule):
        trainer = pl.Trainer(
            max_epochs=options.epochs,
            precision=options.precision,
            logger=CSVLogger(options.out, name=f"{name}-{seed}", version=""),
            callbacks=[
                OnlineKNN(),
                ObjectiveMonitor(),
                Throughput(),
                ViewPictures(),
                RichProgressBar(),
            ],
            check_val_every_n_epoch=options.knn_every,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, datamodule=data)
        checkpoint = str(instdisc.export_backbone(module, folder / "backbone.safetensors"))
    seconds = time.perf_counter() - start
    backbone = module.backbone if isinstance(module, instdisc.PretrainModule) else module
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
        for seed in options.seeds if name in ("random", "moco") else options.seeds[:1]:
            if (name, seed) not in done:
                append_records(run(name, seed, options), results)
                records = read_records(results)
    rich.print(results_table(records, title=f"{options.epochs} epochs of pretraining"))
    first = [record for record in records if record.seed == options.seeds[0]]
    results_figure(first, options.out / "results.png", title=f"{options.epochs} epochs")
    return records


if __name__ == "__main__":
    main()
