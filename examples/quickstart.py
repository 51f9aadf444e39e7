"""Pretrain in three ways on generated images, and see what each representation is worth and why.

    python examples/quickstart.py

Each representation is tested on the classes of the pretraining and on ten new ones, and probed for
what it still knows of an image: where the object is, its shape, its colours. Ends in a report, one
HTML page in `runs/quickstart/`. Takes about 4 minutes on 2 CPU cores. Images, views and order
come from a seed: run it twice and compare.
"""

import argparse
import logging
import time
import warnings
from pathlib import Path

import pytorch_lightning as pl
import rich
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.loggers import CSVLogger

import instdisc
from instdisc.callbacks import OnlineKNN, Throughput, ViewPictures
from instdisc.data import (
    ColorJitter,
    RandomGrayscale,
    RandomResizedCrop,
    ViewPolicy,
)

METHODS = ("MoCo", "exemplar", "supervised")
FACTORS = ["position", "aspect", "size", "object colour", "background colour", "category"]
IMAGE_SIZE = 32
RECIPE = {"learning_rate": 0.03, "weight_decay": 5e-4}
CONTRAST = {
    "temperature": 0.1,
    "queue_size": 1024,
    "momentum": 0.99,
    "batch_norm_groups": 4,
}


def make_backbone() -> instdisc.Backbone:
    """A ResNet-10 of a quarter of the usual width: small enough for a few minutes on a CPU."""
    return instdisc.Backbone(
        "resnet10t", stem="no_pool", channels=(32, 64, 128, 256), stem_width=16
    )


def make_method(name: str, num_classes: int) -> instdisc.PretrainModule:
    """One of the methods to compare."""
    if name == "MoCo":
        return instdisc.MoCoModule(make_backbone(), **RECIPE, **CONTRAST)
    if name == "exemplar":
        return instdisc.ExemplarModule(make_backbone(), **RECIPE, **CONTRAST)
    return instdisc.SupervisedModule(make_backbone(), num_classes=num_classes, **RECIPE)


def make_policy() -> ViewPolicy:
    """MoCo's views with stronger colours.

    The colours of a scene say nothing of its category, but they would give away which two views
    belong together; a hue that may turn by half a circle takes that shortcut away.
    """
    return ViewPolicy(
        RandomResizedCrop(IMAGE_SIZE, scale=(0.3, 1.0)),
        [ColorJitter(0.4, 0.4, 0.4, 0.5), RandomGrayscale(0.5)],
    )


def pretrain(name: str, data: instdisc.ViewData, options: argparse.Namespace) -> Path:
    """Pretrains by one method; returns the file of its backbone."""
    pl.seed_everything(options.seed, verbose=False)  # the same start for all
    module = make_method(name, data.num_classes)
    trainer = pl.Trainer(
        max_epochs=options.epochs,
        default_root_dir=options.out / name,
        callbacks=[OnlineKNN(), Throughput(), ViewPictures(), RichProgressBar()],
        check_val_every_n_epoch=max(1, options.epochs // 3),
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_model_summary=False,
        logger=CSVLogger(options.out / name, name="csv"),
    )
    rich.print(f"[bold]{name}[/bold]")
    trainer.fit(module, datamodule=data)
    return instdisc.export_backbone(module, options.out / name / "backbone.safetensors")


def main(arguments: list[str] | None = None) -> list[instdisc.Record]:
    """Runs the comparison; returns its records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, default=3000, help="for pretraining; a fifth to test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/quickstart"))
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    source = scenes(options.images)
    data = instdisc.ViewData(
        *source,
        policy=make_policy(),
        image_size=IMAGE_SIZE,
        batch_size=128,
        seed=options.seed,
        keep="memory",
    )
    checkpoints = {name: pretrain(name, data, options) for name in METHODS}
    pl.seed_everything(options.seed, verbose=False)
    checkpoints["random"] = make_backbone()

    # What is it worth on the pretraining's classes, and on ten that no method has seen?
    results = options.out / "results.jsonl"
    sets = {"scenes": source, "new categories": scenes(options.images, first_category=10)}
    records = instdisc.run_suite(
        checkpoints, sets, tasks=["knn", "linear"], results=results, image_size=IMAGE_SIZE
    )
    # What does the last stage still know of an image?
    factors = {"factors": {"factors": FACTORS}}
    records += instdisc.analyse(
        checkpoints,
        {"scenes": source},
        analyses=["factors"],
        options=factors,
        image_size=IMAGE_SIZE,
        out=options.out,
    )
    report = instdisc.write_report([results], options.out / "report.html")
    shown = [record for record in records if record.metric == "top-1"]
    last = [record for record in records if record.task == "stage4_factors"]
    rich.print(instdisc.results_table(shown, title="Worth", rows="results"))
    rich.print(instdisc.results_table(last, title="What the last stage knows", rows="results"))
    rich.print(f"{time.perf_counter() - start:.0f} s. Open {report.resolve().as_uri()}")
    return list(records)


def scenes(num_images: int, first_category: int = 0) -> tuple[instdisc.Scenes, instdisc.Scenes]:
    """Images of ten categories to train on, and a fifth as many to test on."""
    kind = {"image_size": IMAGE_SIZE, "first_category": first_category}
    test = instdisc.Scenes(num_images // 5, split="test", **kind)
    return instdisc.Scenes(num_images, **kind), test


if __name__ == "__main__":
    # Lightning's hints (devices, number of workers) are not what a newcomer should read first.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    main()
