"""Linear evaluation of checkpoints on labelled images: what a frozen backbone is worth.

    python examples/linear.py --data-root DATA --train eurosat --test eurosat \
        --checkpoint moco.safetensors --checkpoint supervised.safetensors --protocol grid

``--train`` and ``--test`` are names of the catalog, folders or tables, as in transfer.py: the same
twice for the parts of one set, or two sets of the same classes.

Protocols: ``grid``, that of Islam et al. (2021), its 12 recipes trained in one pass; ``moco``,
MoCo's ImageNet recipe; ``readout``, logistic regression on features computed once, the best of 45
regularisers; ``stages``, kNN and readout of every stage. Without a checkpoint the backbone is
random. One JSON line per result goes to OUT/linear.jsonl.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import rich
import torch
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

import instdisc
from instdisc.checkpoint import open_backbone
from instdisc.data import ImageSource, open_images
from instdisc.report import append_records, results_table
from instdisc.transfer import (
    evaluate_linear_grid,
    evaluate_moco_linear,
    evaluate_readout,
    evaluate_stages,
    extract_features,
)
from instdisc.types import About

PROTOCOLS = ("grid", "moco", "readout", "stages")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", required=True, help="images to learn from")
    parser.add_argument("--test", required=True, help="images of the same classes, to test on")
    parser.add_argument("--data-root", type=Path, default=Path())
    parser.add_argument("--checkpoint", action="append", default=[], help="may be repeated")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="grid")
    parser.add_argument("--backbone", default="resnet50", help="of the random one")
    parser.add_argument("--epochs", type=int, help="default: the protocol's")
    parser.add_argument("--tune-epochs", type=int, default=20, help="of the grid")
    parser.add_argument("--image-size", type=int, help="default: that of the backbone")
    parser.add_argument("--dataset", help="its name; default: what the test set is called")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/linear"))
    return parser.parse_args(arguments)


class ImagesPerSecond(ProgressColumn):
    """How fast it goes."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.0f} images/s")


def evaluate(
    backbone: instdisc.Backbone,
    train: ImageSource,
    test: ImageSource,
    options: argparse.Namespace,
    about: dict,
    progress: Callable[[int, int], None],
) -> list[instdisc.Record]:
    """The records of one backbone."""
    reading = {
        "image_size": options.image_size,
        "num_workers": options.workers,
        "device": options.device,
    }
    epochs = {} if options.epochs is None else {"epochs": options.epochs}
    if options.protocol == "grid":
        epochs["tune_epochs"] = options.tune_epochs
        return evaluate_linear_grid(
            backbone, train, test, **about, **reading, **epochs, progress=progress
        )
    if options.protocol == "moco":
        return evaluate_moco_linear(
            backbone, train, test, **about, **reading, **epochs, progress=progress
        )
    if options.protocol == "stages":
        return evaluate_stages(backbone, train, test, **about, **reading)
    features = [extract_features(backbone, images, **reading) for images in (train, test)]
    return evaluate_readout(*features, **about, device=options.device)


def backbones(options: argparse.Namespace) -> list[tuple[str, instdisc.Backbone]]:
    """Each backbone with its method's name, or its file where that would not tell them apart."""
    if not options.checkpoint:
        return [("random", instdisc.Backbone(options.backbone))]
    opened = [open_backbone(file) for file in options.checkpoint]
    methods = [backbone.about().method for backbone in opened]
    unique = len(set(methods)) == len(methods)
    return list(zip(methods if unique else options.checkpoint, opened, strict=True))


def main(arguments: list[str] | None = None) -> list[instdisc.Record]:
    """Evaluates every checkpoint and prints the table."""
    options = parse_arguments(arguments)
    parts = ("train", "test") if options.train == options.test else ("all", "all")
    train = open_images(options.train, options.data_root, part=parts[0])
    test = open_images(options.test, options.data_root, part=parts[1])
    columns = [TextColumn("{task.description}"), BarColumn(), ImagesPerSecond()]
    records = []
    with Progress(*columns, TimeRemainingColumn()) as bar:
        torch.manual_seed(options.seed)  # of a random backbone's weights
        for name, backbone in backbones(options):
            task = bar.add_task(name, total=None)
            whose = About(name, dataset=options.dataset or "")
            about = {"about": whose, "seed": options.seed}
            found = evaluate(
                *(backbone, train, test, options, about),
                lambda done, total, task=task: bar.update(task, completed=done, total=total),
            )
            bar.update(task, completed=1, total=1)
            append_records(found, options.out / "linear.jsonl")
            records += found
    rich.print(results_table(records, title=options.protocol, rows="results"))
    return records


if __name__ == "__main__":
    main()
