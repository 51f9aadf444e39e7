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
from instdisc.report import append_records, results_figure, results_table
from instdisc.transfer import evaluate_knn, evaluate_linear, extract_features

IMAGE_SIZE = 32


def make_methods(num_classes: int) -> dict[str, instdisc.PretrainModule | None]:
    """The methods to compare; each gets a backbone of its own and the same recipe."""

    def backbone() -> instdisc.Backbone:
        return instdisc.Backbone("resnet10t")

    contrast = {
        "temperature": 0.1,
        "queue_size": 2048,
        "momentum": 0.99,
        "learning_rate": 0.06,
        "weight_decay": 5e-4,
        "batch_norm_groups": 4,
    }
    return {
        "random": None,
        "MoCo": instdisc.MoCoModule(backbone(), **contrast),
        "exemplar": instdisc.ExemplarModule(backbone(), **contrast),
        "supervised": instdisc.SupervisedModule(
            backbone(), num_classes=num_classes, learning_rate=0.06, weight_decay=5e-4
        ),
    }


def main(arguments: list[str] | None = None) -> list[instdisc.Record]:
    """Runs the comparison; returns its records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--images", type=int, default=4000, help="for pretraining; a fifth to test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/quickstart"))
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    pl.seed_everything(options.seed, verbose=False)

    data = instdisc.ViewData(
        instdisc.Scenes(options.images, image_size=IMAGE_SIZE),
        instdisc.Scenes(options.images // 5, image_size=IMAGE_SIZE, split="test"),
        policy="zhao_frcg",
        image_size=IMAGE_SIZE,
        batch_size=128,
        seed=options.seed,
    )
    records = []
    for name, module in make_methods(data.num_classes).items():
        checkpoint = ""
        if module is None:
            backbone = instdisc.Backbone("resnet10t")
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
        about = {"dataset": "scenes", "method": name, "checkpoint": checkpoint}
        for evaluate in (evaluate_knn, evaluate_linear):
            records.append(evaluate(train, test, seed=options.seed, **about))

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
