"""Pretrain in three ways on generated images and see what each representation is worth.

    python examples/quickstart.py

Makes `runs/quickstart/` with the views, the checkpoints, a table of results, and figures. Takes at
most 5 minutes on 2 CPU cores. Images, views and order come from a seed: run it twice and compare.
"""

import argparse
import logging
import time
import warnings
from pathlib import Path

import pytorch_lightning as pl
import rich
from pytorch_lightning.callbacks import RichProgressBar

import instdisc
from instdisc.callbacks import OnlineKNN, Throughput, ViewPictures
from instdisc.data import (
    ColorJitter,
    ImagesInMemory,
    RandomGrayscale,
    RandomResizedCrop,
    ViewPolicy,
)
from instdisc.report import append_records, results_figure, results_table
from instdisc.transfer import evaluate_knn, evaluate_linear, extract_features
from instdisc.types import About

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


def make_method(name: str, num_classes: int) -> instdisc.PretrainModule | None:
    """One of the methods to compare; ``None`` for the random backbone."""
    if name == "MoCo":
        return instdisc.MoCoModule(make_backbone(), **RECIPE, **CONTRAST)
    if name == "exemplar":
        return instdisc.ExemplarModule(make_backbone(), **RECIPE, **CONTRAST)
    if name == "supervised":
        return instdisc.SupervisedModule(make_backbone(), num_classes=num_classes, **RECIPE)
    return None


def make_policy() -> ViewPolicy:
    """MoCo's views with stronger colours.

    The colours of a scene say nothing of its category, but they would give away which two views
    belong together; a hue that may turn by half a circle takes that shortcut away.
    """
    return ViewPolicy(
        RandomResizedCrop(IMAGE_SIZE, scale=(0.3, 1.0)),
        [ColorJitter(0.4, 0.4, 0.4, 0.5), RandomGrayscale(0.5)],
    )


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
    data = instdisc.ViewData(
        ImagesInMemory(instdisc.Scenes(options.images, image_size=IMAGE_SIZE)),
        ImagesInMemory(instdisc.Scenes(options.images // 5, image_size=IMAGE_SIZE, split="test")),
        policy=make_policy(),
        image_size=IMAGE_SIZE,
        batch_size=128,
        seed=options.seed,
    )
    records = []
    for name in ("random", "MoCo", "exemplar", "supervised"):
        pl.seed_everything(options.seed, verbose=False)  # the same start for all
        module = make_method(name, data.num_classes)
        checkpoint = ""
        if module is None:
            backbone = make_backbone()
        else:
            trainer = pl.Trainer(
                max_epochs=options.epochs,
                default_root_dir=options.out / name,
                callbacks=[OnlineKNN(), Throughput(), ViewPictures(), RichProgressBar()],
                check_val_every_n_epoch=max(1, options.epochs // 3),
                log_every_n_steps=10,
                num_sanity_val_steps=0,
                enable_checkpointing=False,
                enable_model_summary=False,
                logger=False,
            )
            rich.print(f"[bold]{name}[/bold]")
            trainer.fit(module, datamodule=data)
            checkpoint = str(
                instdisc.export_backbone(module, options.out / name / "backbone.safetensors")
            )
            backbone = instdisc.load_backbone(checkpoint)
        train, test = (
            extract_features(backbone, images, image_size=IMAGE_SIZE)
            for images in (data.images, data.test_images)
        )
        for evaluate in (evaluate_knn, evaluate_linear):
            records.append(evaluate(train, test, seed=options.seed, about=About(name)))

    (options.out / "results.jsonl").unlink(missing_ok=True)
    append_records(records, options.out / "results.jsonl")
    results_figure(records, options.out / "results.png", title="scenes")
    rich.print(results_table(records, title=f"scenes, {options.epochs} epochs"))
    rich.print(f"{time.perf_counter() - start:.0f} s; pictures and records in {options.out}")
    return records


if __name__ == "__main__":
    # Lightning's hints (devices, number of workers) are not what a newcomer should read first.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    main()
