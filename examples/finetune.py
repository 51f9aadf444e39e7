"""Fine-tune a backbone on images in class folders, by the recipe of Islam et al. (2021).

    python examples/finetune.py backbone.safetensors data/flowers17
    python examples/finetune.py backbone.safetensors data/flowers17 --share 0.1 --last-stages 2

The learning rate, batch size and weight decay are selected on 30 % of the training images. The
headline is the last epoch; the best epoch, which is chosen on the test set, stands below it.
"""

import argparse
from pathlib import Path

import rich
from rich.progress import Progress

from instdisc.checkpoint import open_backbone
from instdisc.data import open_images
from instdisc.report import append_records, results_table
from instdisc.transfer import finetune
from instdisc.types import Record


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="a file, FILE:ARCHITECTURE or timm:NAME")
    parser.add_argument("data", help="name of the catalog, folder or .csv file")
    parser.add_argument("--data-root", type=Path, default=Path())
    parser.add_argument("--image-size", type=int, help="default: that of the backbone")
    parser.add_argument("--tune-epochs", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--last-stages", type=int, help="train these alone; default: everything")
    parser.add_argument("--share", type=float, default=1.0, help="of the labels of each class")
    parser.add_argument("--per-class", type=int, help="so many labels of each class instead")
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/finetune/results.jsonl"))
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> list[Record]:
    """Fine-tunes; returns the records."""
    options = parse_arguments(arguments)
    train, test = (
        open_images(options.data, options.data_root, part=part) for part in ("train", "test")
    )
    with Progress() as bar:
        task = bar.add_task("epochs", total=None)
        records = finetune(
            open_backbone(options.checkpoint),
            train,
            test,
            seed=options.seed,
            image_size=options.image_size,
            tune_epochs=options.tune_epochs,
            epochs=options.epochs,
            last_stages=options.last_stages,
            share=options.share,
            per_class=options.per_class,
            accelerator=options.accelerator,
            devices=options.devices,
            precision=options.precision,
            num_workers=options.workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    append_records(records, options.out)
    rich.print(results_table(records, rows="results"))
    return records


if __name__ == "__main__":
    main()
